package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every link of a page to another one, or to a file, or to a heading, leads there.
func TestLinks(t *testing.T) {
	pages := pages(t)
	headings := map[string]map[string]bool{}
	for page, text := range pages {
		headings[page] = anchors(text)
	}
	for page, text := range pages {
		for _, broken := range brokenLinks(page, text, headings) {
			t.Error(broken)
		}
	}
	if len(pages) < 20 {
		t.Errorf("only %d pages were found", len(pages))
	}
}

// What the test above sees.
func TestBrokenLinks(t *testing.T) {
	headings := map[string]map[string]bool{
		"../README.md": anchors("# One\n## `run`, and steps: 2\n```sh\n# no heading\n```\n"), "page.md": anchors("# Here\n"),
	}
	for link, broken := range map[string]bool{
		"../README.md#run-and-steps-2": false,
		"#here":                        false,
		"links_test.go":                false,
		"https://example.com/x#y":      false,
		"../README.md#no-heading":      true,
		"#there":                       true,
		"nowhere.md":                   true,
	} {
		found := brokenLinks("page.md", "# Here\nsee [it]("+link+")\n", headings)
		if (len(found) > 0) != broken {
			t.Errorf("%s: %v", link, found)
		}
	}
}

// pages returns the repository's pages by their paths from here.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() &&
			(strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && d.Name() != ".github" || d.Name() == "bin"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			text, err := os.ReadFile(path)
			found[path] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	linkPattern    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codePattern    = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	headingPattern = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fencedPattern  = regexp.MustCompile("(?s)```.*?```")
	textOfLink     = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
	notInAnchors   = regexp.MustCompile(`[^\pL\pN _-]`)
)

// brokenLinks returns the links of a page that lead nowhere. Those to the web are not followed.
// headings are the anchors of each page.
func brokenLinks(page, text string, headings map[string]map[string]bool) []string {
	var broken []string
	for _, m := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(text, "code"), -1) {
		target, anchor, has := strings.Cut(m[1], "#")
		if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		at := page
		if target != "" {
			at = filepath.Join(filepath.Dir(page), target)
			if _, err := os.Stat(at); err != nil {
				broken = append(broken, page+": there is no "+m[1])
				continue
			}
		}
		if has && !headings[at][anchor] {
			broken = append(broken, page+": "+at+" has no heading for #"+anchor)
		}
	}
	return broken
}

// anchors returns the anchors of a page's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range headingPattern.FindAllStringSubmatch(fencedPattern.ReplaceAllString(text, ""), -1) {
		title := textOfLink.ReplaceAllString(m[1], "$1")
		title = notInAnchors.ReplaceAllString(strings.ToLower(title), "")
		found[strings.ReplaceAll(strings.TrimSpace(title), " ", "-")] = true
	}
	return found
}
