// Package android is the commands of the simulated guest that are Android's own: input, wm,
// settings, dumpsys, svc, screencap, uiautomator, am, pm, monkey and cmd. Those of toybox are in package toybox.
//
// [Applets] binds them to one device. What they say is that of Android 15, or of the release the
// device imitates where scripts meet the difference; what they cannot do they refuse as a service
// that knows no such command does.
package android
