// Package apk reads what the package manager has to know of an Android app: an APK file.
//
// Words: an APK is a zip archive; its *manifest* (AndroidManifest.xml) is binary XML, "AXML"; its
// *table* (resources.arsc) holds the texts that the manifest refers to by number; a *split* is a
// further APK of the same app; the *signer* is the certificate that the APK says it was signed with.
//
//	f, err := os.Open("app.apk")
//	...
//	a, err := apk.Read(f, size)
//	fmt.Println(a.Package, a.VersionCode, a.Label, a.Launcher())
//
// The layouts are those of AOSP's ResourceTypes.h and of the APK Signature Scheme; they were checked
// with an APK that Google's aapt2 and apksigner have made. Files are taken for hostile: sizes and
// counts have bounds, only the three entries that are needed are inflated, and never beyond what a
// bound allows. Signatures are read, not verified.
package apk
