package main

import "testing"

func TestLedgerCheck(t *testing.T) {
	for name, test := range map[string]struct {
		entries entries
		bounds  bounds
		ok      bool
	}{
		"nothing written":                 {entries{}, bounds{0, 0}, true},
		"all acknowledged":                {entries{10, 1, 10}, bounds{10, 10}, true},
		"one in doubt, not there":         {entries{10, 1, 10}, bounds{10, 11}, true},
		"one in doubt, there":             {entries{11, 1, 11}, bounds{10, 11}, true},
		"an acknowledged one is lost":     {entries{9, 1, 9}, bounds{10, 11}, false},
		"all are lost":                    {entries{}, bounds{10, 11}, false},
		"one from after the freeze":       {entries{12, 1, 12}, bounds{10, 11}, false},
		"a gap":                           {entries{10, 1, 11}, bounds{10, 11}, false},
		"the first is missing":            {entries{10, 2, 11}, bounds{10, 11}, false},
		"a gap and one too many at once":  {entries{11, 1, 11}, bounds{10, 10}, false},
		"more than there can be, by twin": {entries{11, 1, 10}, bounds{10, 11}, false},
	} {
		if got := test.entries.check(test.bounds); got.ok != test.ok || got.found == "" {
			t.Errorf("%s: got %v %q, want %v", name, got.ok, got.found, test.ok)
		}
	}
}

func TestVerdict(t *testing.T) {
	good, bad := examination{{"a", true, ""}, {"b", true, ""}}, examination{{"a", true, ""}, {"b", false, "gone"}}
	for name, test := range map[string]struct {
		coordinated, alone examination
		want               string
	}{
		"shown":          {good, bad, ""},
		"not consistent": {bad, bad, "the proof failed: the coordinated copy is not consistent: b: gone"},
		"nothing was shown": {
			good, good,
			"the proof failed: the copy without coordination is not torn, so nothing was shown",
		},
		"the wrong way round": {bad, good, "the proof failed: the coordinated copy is not consistent: b: gone"},
	} {
		got := ""
		if err := verdict(test.coordinated, test.alone); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestWithin(t *testing.T) {
	f := at(100, 150, 160, 3000, 3100, 3200, 4000)
	for name, test := range map[string]struct {
		from, to int
		want     bool
	}{
		"in the freeze":      {200, 3000, true},
		"before it":          {50, 3000, false},
		"after it":           {200, 3300, false},
		"at its first limit": {100, 3000, false},
	} {
		moment := at(test.from, test.to, 0, 0, 0, 0, 0)
		if got := within(copied{began: moment.quiesced, ended: moment.fired}, f); got.ok != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
