# bash completion for copytrigger
_copytrigger() {
	local word words='' commands='help start-sync await-waiting fire-trigger await-completed disarm unlock await-synced run cleanup exec check status check-restore verdict record install await-pods-ended version completion'
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[ "$word" != -- ] || return 0 # what follows is no flag of ours
	done
	case ${COMP_WORDS[1]} in
	start-sync) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --run-id --timeout' ;;
	await-waiting) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --pvc-only --ack-timeout --copy-timeout --until --start-sync --run-id --timeout' ;;
	fire-trigger) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --pvc-only --trigger --after --timeout' ;;
	await-completed) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --pvc-only --ack-timeout --until --copy --trigger --fire --after --timeout' ;;
	disarm) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --run-id --cleanup-id --timeout' ;;
	unlock) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --run-id --cleanup-id --after --keep-cleanup --all --outcome --step --metrics-file --timeout' ;;
	await-synced) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --trigger --timeout' ;;
	run) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --quiesce --unquiesce --hold --ready-line --in-pod --pod --pod-selector --container -c --max-freeze --until --copy-timeout --ack-timeout --unquiesce-timeout --pvc-only --start-sync --await-synced --sync-timeout --run-id --state-file --one-at-a-time --metrics-file --timeout' ;;
	cleanup) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --unquiesce --in-pod --pod --pod-selector --container -c --unquiesce-timeout --run-id --await-pods --run-ended --metrics-file --timeout' ;;
	exec) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --pod --pod-selector --container -c --command --timeout' ;;
	check) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --as --in-pod --pod --pod-selector --container -c --until --start-sync --pvc-only --timeout --output -o --log-format' ;;
	status) words='--help --pvc --selector -l --namespace -n --kubeconfig --context --all-namespaces -A --watch -w --timeout --output -o --log-format' ;;
	check-restore) words='--help --pvc --cronjob --replication-source --name --keep --run-id --timeout --namespace -n --kubeconfig --context --results-dir --results-limit --log-format' ;;
	verdict) words='--help --results-dir --results-limit --log-format --step' ;;
	record) words='--help --command --after --exit --dry-run --with-pvcs --log-format' ;;
	install) words='--help --log-format' ;;
	await-pods-ended) words='--help --namespace -n --kubeconfig --context --results-dir --results-limit --log-format --selector -l --timeout' ;;
	version) words='--help --output -o --log-format' ;;
	completion) words='bash zsh fish --help --log-format' ;;
	help) words=$commands ;;
	esac
	[ "$COMP_CWORD" -gt 1 ] || words="$commands --help --version"
	COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _copytrigger copytrigger
