package process

import "testing"

func TestCan(t *testing.T) {
	for _, c := range []struct {
		system string
		bound  bool
		want   bool
	}{
		{"linux", false, true},
		{"linux", true, true},
		{"darwin", false, true},
		{"darwin", true, false},
		{"windows", false, false},
		{"windows", true, false},
	} {
		if err := can(c.system, c.bound); (err == nil) != c.want {
			t.Errorf("%s, bound %t: got %v", c.system, c.bound, err)
		}
	}
}
