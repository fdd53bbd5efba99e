package cluster

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestImageHasItsFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		image image
		want  []string
	}{
		"of nothing": {
			image{files: map[string]string{file: "/a/b/program"}},
			[]string{"tmp/", "a/", "a/b/", "a/b/program"},
		},
		"upon Debian": {
			image{debian: true, files: map[string]string{file: "/usr/local/bin/program"}},
			[]string{"usr/local/bin/program"},
		},
	} {
		layer, err := c.image.tar()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for r := tar.NewReader(bytes.NewReader(layer)); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, h.Name)
			if h.Typeflag == tar.TypeReg {
				if text, err := io.ReadAll(r); string(text) != "text" || err != nil || h.Mode&0o111 != 0o111 {
					t.Errorf("%s: %q, %v, mode %o", name, text, err, h.Mode)
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if _, err := (image{files: map[string]string{file + ".none": "/a"}}).tar(); err == nil {
		t.Error("no error for a file that is not there")
	}
}

// A change of any program in it is another archive; of Tekton's, not the node's.
func TestArchivesFollowTheirPrograms(t *testing.T) {
	o, err := Options{Cache: "/cache", Node: true, Tekton: true}.filled()
	if err != nil {
		t.Fatal(err)
	}
	of := func(change string) []string {
		b := built{}
		for _, p := range programs(o) {
			b[p.name] = "/cache/bin/" + p.name + "-1"
		}
		if change != "" {
			b[change] += "2"
		}
		var files []string
		for _, a := range b.archives(o) {
			files = append(files, a.file)
		}
		return files
	}
	first := of("")
	for program, changes := range map[string][2]bool{
		"volsync-manager": {true, false},
		"nodeinit":        {true, false},
		"tekton-nop":      {false, true},
		"kubeall":         {false, false},
	} {
		got := of(program)
		for i := range first {
			if (got[i] != first[i]) != changes[i] {
				t.Errorf("another %s: %s, was %s", program, got[i], first[i])
			}
		}
	}
}

func TestTektonImages(t *testing.T) {
	for from, want := range map[string]string{
		"ko://github.com/tektoncd/pipeline/cmd/webhook": "copytrigger.test/tekton-webhook:1",
		"cgr.dev/chainguard/busybox@sha256:19f0":        DebianImage,
		"-shell-image":                                  "-shell-image",
	} {
		if got := tektonImage(from); got != want {
			t.Errorf("%s: got %s, want %s", from, got, want)
		}
	}
}
