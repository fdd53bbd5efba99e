package handshake

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Wait names one wait of VolSync on one PVC. Two waits differ in at least one field,
// so what is computed from it cannot be mistaken for another wait's.
type Wait struct {
	ClaimUID  string
	SourceUID string // "" if only the claim was read
	SyncStart string // "" if only the claim was read
	Since     string
	Latest    string
}

// Trigger is the value that a run writes as copy-trigger: RUN.TOKEN. RUN names the run;
// TOKEN is a hash of the waits that the run found. So a step that is repeated writes the
// same value (nothing is fired twice), the same run over a new wait writes a new one
// (nothing is taken for an older copy), and fire-trigger can tell from the value alone
// whether what await-waiting saw is still true.
//
// The first half of TOKEN is of the syncs alone. When a record has changed the rest,
// await-completed still tells from it whether a source's sync is the one that was waited for.
type Trigger struct{ run, token string }

const (
	halfLen  = 8           // hexadecimal digits: 32 bits, of which one run sees a handful
	tokenLen = 2 * halfLen // hexadecimal digits
	maxRun   = 200         // bytes; a name in Kubernetes has at most 253, a UID 36
)

// NewTrigger is the trigger of a run over the given waits, in any order.
func NewTrigger(run string, waits ...Wait) Trigger {
	return Trigger{run, hashOfSyncs(waits) + hashOf(waits)}
}

// isOf reports whether the trigger was made over these syncs, whatever else the waits are.
func (t Trigger) isOf(waits ...Wait) bool {
	return strings.HasPrefix(t.token, hashOfSyncs(waits))
}

func hashOfSyncs(waits []Wait) string { return hashOf(Syncs(waits)) }

// Syncs are the syncs of waits: the rest of a wait ends with its record.
func Syncs(waits []Wait) []Wait {
	var syncs []Wait
	for _, w := range waits {
		syncs = append(syncs, Wait{ClaimUID: w.ClaimUID, SourceUID: w.SourceUID, SyncStart: w.SyncStart})
	}
	return syncs
}

// hashOf returns half a token.
func hashOf(waits []Wait) string {
	waits = slices.Clone(waits)
	slices.SortFunc(waits, func(a, b Wait) int { return strings.Compare(a.ClaimUID, b.ClaimUID) })
	h := sha256.New()
	for _, w := range waits {
		for _, f := range []string{w.ClaimUID, w.SourceUID, w.SyncStart, w.Since, w.Latest} {
			// The length goes first, so that no two lists of fields have the same bytes.
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(f))))
			h.Write([]byte(f))
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:halfLen]
}

// ParseTrigger reads what [Trigger.String] wrote.
func ParseTrigger(s string) (Trigger, error) {
	if err := unexpanded(s); err != nil {
		return Trigger{}, err
	}
	i := strings.LastIndexByte(s, '.')
	if i < 0 || !isToken(s[i+1:]) {
		return Trigger{}, fmt.Errorf("trigger %q was not made by await-waiting (its triggers look like RUN.%s)",
			s, strings.Repeat("x", tokenLen))
	}
	if err := CheckRun(s[:i]); err != nil {
		return Trigger{}, err
	}
	return Trigger{s[:i], s[i+1:]}, nil
}

// String returns the value to write; "" for the zero Trigger.
func (t Trigger) String() string {
	if t == (Trigger{}) {
		return ""
	}
	return t.run + "." + t.token
}

// Run is the id of the run that made the trigger.
func (t Trigger) Run() string { return t.run }

// of reports whether a value of copy-trigger belongs to the run.
func of(run, value string) bool {
	i := strings.LastIndexByte(value, '.')
	return i > 0 && value[:i] == run && isToken(value[i+1:])
}

func isToken(s string) bool {
	return len(s) == tokenLen && strings.Trim(s, "0123456789abcdef") == ""
}

// CheckRun returns what is wrong with a run id. What engines offer as ids passes: UIDs, names.
func CheckRun(run string) error {
	if err := unexpanded(run); err != nil {
		return err
	}
	alnum := func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' }
	odd := func(r rune) bool { return !alnum(r) && !strings.ContainsRune("-_.", r) }
	if len(run) > maxRun || strings.ContainsFunc(run, odd) || !alnum(rune(run[0])) || !alnum(rune(run[len(run)-1])) {
		return fmt.Errorf("run id %q is not 1 to %d letters, digits, '-', '_' or '.', "+
			"with a letter or digit at both ends", run, maxRun)
	}
	return nil
}

// unexpanded finds the variable that an engine left as it was, which would otherwise
// become one and the same trigger for every run.
func unexpanded(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return fmt.Errorf("it is empty")
	case strings.Contains(s, "$("):
		return fmt.Errorf("%q contains $(, a Tekton variable that was not expanded", s)
	case strings.Contains(s, "{{"):
		return fmt.Errorf("%q contains {{, an Argo variable that was not expanded", s)
	}
	return nil
}
