// The upstream programs are built here, each with the requirements in a file of its own:
// -modfile=current/volsync.mod, for one.
module github.com/copytrigger/copytrigger/test/devcluster/upstream

go 1.26.0
