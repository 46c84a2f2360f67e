// Package logcat is the commands of the simulated guest that read and write its log: logcat, log and bugreportz;
// and logflood, which no Android has and tests need.
//
// [Applets] binds them to one log. The formats, filters and words of logcat are those of Android 15; what it does
// to files (-f, -r, -n) and the statistics (-S) are missing.
package logcat
