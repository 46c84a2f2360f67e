// Package apkbuild makes APK files for the simulated device: for tests, and for people by way of
// "cvd-sim apk".
//
// Words: a [Spec] says what the app shall be; its *key* is the name of who signs it, so that an app
// of another key can be told apart; *padding* brings the file to a wanted size with bytes that
// nothing can compress.
//
//	err := apkbuild.Write(f, apkbuild.Spec{Package: "com.example.app", VersionCode: 2, Size: 50 << 20})
//
// What it writes has the form of a real APK (a zip with stored entries, aligned, a binary manifest, a
// table of resources, a signing block) and the same bytes for the same Spec. The code in it is none
// and the signature a stand-in: the simulated device takes it, a real one refuses it.
package apkbuild
