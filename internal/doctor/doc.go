// Package doctor says whether the host is fit to run devices.
//
// Words: a check is one question to the host, a [Finding] its answer. There is a check only for
// what justifies taking the whole host out of Daytona's rotation: cvd, disk, ADB, and KVM once a
// boot failed for it. Everything else about a host belongs into metrics.
//
// A host is examined every few seconds by people, by Daytona's health check and by scrapers. So
// the checks run side by side, an answer is kept for a while, and a check that hangs is not begun
// again: examining never takes longer than the deadline, whatever hangs. The package refuses to
// repair anything, and to judge single devices.
//
//	d := doctor.New(doctor.Options{Host: h, CVD: client, InstancesPath: instances, ...})
//	for _, finding := range d.Examine(ctx) { ... }
package doctor
