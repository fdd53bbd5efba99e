package chaos

import "strconv"

// Steps is the script of docs/shell.md: the steps of a run, and what ends it whatever happens. It reads
// what disarm has found: in the freeze of another run nothing must be unquiesced.
const Steps = `#!/usr/bin/env bash
waiting=$(mktemp) || exit
quiesced=
finish() {
  code=$1; trap '' HUP INT TERM; trap - EXIT
  kill %% 2>/dev/null; wait
  trigger=$(sed -n 's/.*"trigger":"\([^"]*\)".*/\1/p' "$waiting"); rm -f "$waiting" "$waiting.copied"
  [ "$trigger" ] || exit "$code"
  found=$(copytrigger disarm --timeout 5s) ||
    echo "a trigger may stay armed: copytrigger disarm --run-id $COPYTRIGGER_RUN_ID" >&2
  lock=$(printf '%s' "$found" | sed -n 's/.*"lock":"\([^"]*\)".*/\1/p')
  if [ "$lock" = other ]; then
    [ -z "$quiesced" ] || echo "another run has the claim, and ours MAY STILL BE QUIESCED: $COPYTRIGGER_RUN_ID" >&2
    exit $((code ? code : 6))
  fi
  for try in 1 2 3; do
    bash "$CHAOS_SCRIPT" unquiesce; ended=$?
    if [ $ended = 106 ]; then code=$((code ? code : 6)); fi
    if [ $ended = 0 ] || [ $ended = 106 ]; then
      copytrigger unlock $([ "$code" != 0 ] || echo --outcome=ok) >&2 && exit "$code"
      echo "the claim stays locked: copytrigger unlock --run-id $COPYTRIGGER_RUN_ID" >&2; exit $((code ? code : 6))
    fi
    sleep 0.3
  done
  echo "THE APPLICATION MAY STILL BE QUIESCED: copytrigger cleanup --run-id $COPYTRIGGER_RUN_ID" >&2
  exit $((code ? code : 6))
}
trap 'finish $?' EXIT
trap 'finish 129' HUP; trap 'finish 130' INT; trap 'finish 143' TERM
copytrigger await-waiting --until "$CHAOS_UNTIL" --timeout "$CHAOS_WAIT" >"$waiting" & wait $! || exit
trigger=$(sed -n 's/.*"trigger":"\([^"]*\)".*/\1/p' "$waiting")
quiesced=yes; bash "$CHAOS_SCRIPT" quiesce || exit
fire=
if [ "$CHAOS_FIRE" ]; then fire=--fire; else copytrigger fire-trigger --trigger "$trigger" || exit; fi
copytrigger await-completed $fire --trigger "$trigger" --until "$CHAOS_UNTIL" \
  --timeout "$CHAOS_COPY" --ack-timeout "$CHAOS_ACK" >"$waiting.copied" & wait $! || exit
if [ "$CHAOS_UNTIL" = cut ]; then
  copy=$(sed -n 's/.*"copy":"\([^"]*\)".*/\1/p' "$waiting.copied")
  bash "$CHAOS_SCRIPT" unquiesce || exit
  copytrigger await-completed --trigger "$trigger" --copy "$copy" --timeout "$CHAOS_COPY" & wait $! || exit
fi
exit 0
`

// Hand is what somebody does who cleans up with the commands one by one.
const Hand = `#!/usr/bin/env bash
found=$(copytrigger disarm --timeout 5s)
lock=$(printf '%s' "$found" | sed -n 's/.*"lock":"\([^"]*\)".*/\1/p')
if [ -z "$lock" ]; then
  echo "nothing is known of the lock: copytrigger cleanup --run-id $COPYTRIGGER_RUN_ID" >&2; exit 1
fi
if [ "$lock" = other ]; then exit 0; fi
if [ "$CHAOS_UNQUIESCE" ]; then
  bash "$CHAOS_SCRIPT" unquiesce; ended=$?
  if [ $ended != 0 ] && [ $ended != 106 ]; then
    echo "THE APPLICATION MAY STILL BE QUIESCED: copytrigger cleanup --run-id $COPYTRIGGER_RUN_ID" >&2; exit 1
  fi
fi
copytrigger unlock >&2 && exit 0
echo "the claim stays locked: copytrigger unlock --run-id $COPYTRIGGER_RUN_ID" >&2; exit 1
`

// arguments are how the actor is run, under the name of its run; the program itself if its first
// word is not bash.
func (a Actor) arguments(files files, run string, hold bool) []string {
	quiesce, unquiesce := "exec bash "+files.script+" quiesce", "exec bash "+files.script+" unquiesce"
	until := "completed"
	if a.Cut {
		until = "cut"
	}
	l := a.Limits
	switch a.Form {
	case Chain, FireChain:
		return []string{"bash", files.steps}
	case ByHand:
		return []string{"bash", files.hand}
	case Cleanup:
		args := []string{"cleanup", "--run-id", run, "--unquiesce-timeout", l.Unquiesce.String()}
		if !hold {
			args = append(args, "--unquiesce", unquiesce)
		}
		return args
	}
	args := []string{
		"run", "--run-id", run, "--until", until, "--timeout", l.Wait.String(), "--ack-timeout", l.Ack.String(),
		"--copy-timeout", l.Copy.String(), "--max-freeze", l.Freeze.String(), "--unquiesce-timeout", l.Unquiesce.String(),
	}
	if a.Form == Hold {
		return append(args, "--hold", "exec bash "+files.script+" hold")
	}
	return append(args, "--quiesce", quiesce, "--unquiesce", unquiesce)
}

// environment is what the scripts and the user's commands find.
func (a Actor) environment(files files, run string, port int, hold bool) []string {
	env := map[string]string{
		"CHAOS_APP": strconv.Itoa(port), "CHAOS_ACTOR": a.Name, "CHAOS_SCRIPT": files.script,
		"CHAOS_UNTIL": "completed", "CHAOS_WAIT": a.Limits.Wait.String(), "CHAOS_COPY": a.Limits.Copy.String(),
		"CHAOS_ACK": a.Limits.Ack.String(), "COPYTRIGGER_PVC": "data", "PATH": files.path, "HOME": files.home,
		"CHAOS_UNQUIESCE": "yes",
	}
	if a.Cut {
		env["CHAOS_UNTIL"] = "cut"
	}
	if a.Form == FireChain {
		env["CHAOS_FIRE"] = "yes"
	}
	if a.Form == ByHand || a.Form == Chain || a.Form == FireChain {
		env["COPYTRIGGER_RUN_ID"] = run
	}
	// Of those that clean up at the same time one needs no id of its own.
	if a.Form != ByHand || a.Name != "hand" {
		env["COPYTRIGGER_CLEANUP_ID"] = a.Name
	}
	if hold {
		env["CHAOS_UNQUIESCE"] = ""
	}
	var all []string
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}
