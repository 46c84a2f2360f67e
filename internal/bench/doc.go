// Command bench measures the built runner against the budgets of its design, each figure beside a
// baseline of the same run on the same machine: "make bench" builds the binaries and starts it.
//
// Words: a row is one experiment, a figure is one line of the table that it ends in, a budget
// is what the figure must hold and an aim what would be good. The lab is a simulated Cuttlefish
// host in a directory of its own; each row starts a runner on it and stops it again. Ours and
// baseline take turns, so that a busy neighbour disturbs both, and a ratio is the median of the
// ratios of the turns. CPU per request is the steadiest figure on a shared machine.
//
// It refuses to judge what it could not measure: a row whose baseline program is absent says so
// and is not counted as passed, and any other failure makes the exit code 1. A missed budget
// does so only with -strict. Everything stays on loopback, bounded in count and time.
//
//	go run ./internal/bench -short -rows get,exec
package main
