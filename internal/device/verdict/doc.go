// Package verdict says what a device is from what the layers below said about it.
//
// Words: evidence is what one look at a device gathered; an answer is what one layer said, or that
// it did not; a verdict is the life of the device, the layer that decided it, and why, for people.
//
// The package refuses to ask anything: it is a function of its arguments. Who asks the layers, in which
// order and for how long, is internal/device's. Three rules hold whatever the evidence:
//
//   - Android that answers and has booted is running: nothing outvotes it.
//   - Not answering in time is no proof. A device is absent only where its launcher's socket is gone
//     or refuses, the process table was read, and nothing of the device is in it.
//   - What cvd's list says never decides about life. Of a device that is absent it may explain how it ended.
//
// An example, a device whose crosvm was killed:
//
//	v := verdict.Judge(verdict.Evidence{
//		Numbered: true, ADB: verdict.ADBRefused, Launcher: verdict.LauncherAbsent, Process: verdict.NoProcess,
//	})
//	// v.Life is absent, v.Layer "process", v.Death crashed
package verdict
