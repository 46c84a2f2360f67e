// Package launcher is the programs of a host package that start, watch and stop one device:
// cvd_internal_start, run_cvd, process_restarter, cvd_internal_stop, cvd_internal_status and snapshot_util_cvd.
//
// Words: the *launcher* is run_cvd, a daemon in a session of its own. It owns the VM, through
// process_restarter, and answers on the *monitor socket* with one byte for one byte. The *foreground*
// is cvd_internal_start, which waits until the launcher reports the boot.
//
//	cvd create ── cvd_internal_start ··pipe·· run_cvd ── process_restarter ── crosvm
//
// A child gets SIGHUP when its parent dies. When the VM dies the launcher ends and tells nobody.
// The programs take what they need from the environment that cvd gives them (HOME,
// CUTTLEFISH_INSTANCE, ANDROID_PRODUCT_OUT, …) and find their host through their own path.
//
// The package refuses groups of several instances.
//
//	reply, err := launcher.Ask(root.UDSDir(1), launcher.Status, 2*time.Second)
package launcher
