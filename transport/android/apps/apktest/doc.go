// Package apktest makes APKs for tests: ZIPs with a binary AndroidManifest.xml, unsigned, which no device would take but
// which can be read like any other.
//
// It is imported from tests only.
//
//	data := apktest.APK{Package: "com.example.app", VersionCode: 3, VersionName: "1.2"}.Build(t)
package apktest
