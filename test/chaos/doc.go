// Package chaos is a campaign of randomized coordinations: the real program, as its users run
// it, on the real API server, VolSync and snapshot controllers, while connections, processes
// and people do what they do on a bad day. Each coordination is judged by what the storage has
// copied, not by what anybody says.
//
//	make chaos-short                        # what CI does: the same plans each time
//	make chaos                              # half of the plans are new
//	make chaos-long RUNS=5000               # in pieces, whose counts are added
//	CHAOS_SEED=7 make chaos                 # that seed again
//	CHAOS_SEED=7 CHAOS_ONLY=31 make chaos   # one coordination of it
//
// A plan (plan.go) says all that is going to happen in a coordination, and comes from the seed
// alone. What the processes make of it also depends on the machine: a plan is run again by its
// seed, a race is not.
package chaos
