// Package cvd speaks the language of Google's cvd command line, which starts, stops and lists
// Cuttlefish virtual devices, and translates it into typed values and fault kinds.
//
// Words: a group is what cvd creates and removes (here always with one instance); an instance is
// one device and has a number from 1; the host package is the directory whose bin/ holds the
// programs that really launch the device (assemble_cvd, run_cvd, crosvm); the launcher is
// run_cvd, the process that watches over one device; the group's home is the directory in which
// a device's disks and logs live.
//
// The package knows which texts of cvd mean what, which files decide whether a restart keeps the
// guest's data, and how to tell one device's processes from another's. It refuses to decide: what
// a status means for a sandbox, when to retry and what to clean are its callers' business. It
// never runs a shell, never passes --json to fleet (cvd 1.54 and later reject it), and always puts
// the selector flags before the subcommand (cvd up to 1.54 reads them nowhere else).
//
// Texts, flags and paths were taken from the sources of google/android-cuttlefish, tags 1.0.0 to
// 1.55.2, not from a run of a real device. No text of cvd is matched outside this package.
//
//	c := cvd.New(h, cvd.Options{Path: "/usr/bin/cvd", Log: log})
//	args, err := c.CreateArgs(ctx, spec)
//	stdout, stderr := cvd.LaunchFiles(logs)
//	id, err := c.Launch(ctx, args, stdout, stderr)
//	code, err := h.Await(ctx, id)
//	group, err := c.LaunchOutcome(ctx, code, stdout, stderr)
package cvd
