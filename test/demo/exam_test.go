package main

import "testing"

func TestParseBalances(t *testing.T) {
	got, err := parseBalances("-24645|-24645|-24645|-24645|66\n")
	if want := (balances{-24645, -24645, -24645, -24645, 66}); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if c := got.check(check{}); !c.ok {
		t.Errorf("balanced books: got %+v", c)
	}
	for _, b := range []balances{{1, 2, 2, 2, 9}, {2, 1, 2, 2, 9}, {2, 2, 1, 2, 9}, {2, 2, 2, 1, 9}} {
		if c := b.check(check{}); c.ok {
			t.Errorf("%v: got ok", b)
		}
	}
	for _, answer := range []string{"", "1|2|3|4", "1|2|3|4|5|6", "1||3|4|5", "1|2|3|4|x"} {
		if b, err := parseBalances(answer); err == nil {
			t.Errorf("%q: got %v, want an error", answer, b)
		}
	}
}

func TestParseEntries(t *testing.T) {
	if got, err := parseEntries("91|1|91"); err != nil || got != (entries{91, 1, 91}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseEntries("ERROR:  invalid page"); err == nil {
		t.Error("an error message was read as numbers")
	}
}

func TestReadEntries(t *testing.T) {
	for text, want := range map[string]entries{
		"":          {},
		"1\n":       {1, 1, 1},
		"1\n2\n3\n": {3, 1, 3},
		"2\n4\n":    {2, 2, 4},
	} {
		if got, err := readEntries([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"1\n2", "1\nx\n", "\n"} {
		if got, err := readEntries([]byte(text)); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestToolOutput(t *testing.T) {
	const checksums = "Checksum operation completed\nFiles scanned:   966\nBlocks scanned:  4750\nBad checksums:  0\n"
	if got := valueOf(checksums, "Blocks scanned") + " " + valueOf(checksums, "Bad checksums"); got != "4750 0" {
		t.Errorf("got %q", got)
	}
	if got := valueOf("pg_checksums: error", "Blocks scanned"); got != "?" {
		t.Errorf("got %q", got)
	}
	const amcheck = "btree index \"a\":\n    ERROR:  item order\n    DETAIL:  x\nheap table \"b\", block 1:\n    xmin\n"
	if got := complaints(amcheck); got != 2 {
		t.Errorf("got %d complaints", got)
	}
}
