// Package apk reads what an Android package says of itself: its name and its version, from the binary
// AndroidManifest.xml that every APK holds.
//
// Words: a manifest is what was read; [Read] has the whole file, [Watch] sees one go by.
//
//	var seen apk.Watch
//	_, err := io.Copy(io.MultiWriter(device, &seen), upload)
//	manifest, known := seen.Manifest()
//
// Files come from strangers. All reading is bounded: 8 MiB of a ZIP's directory, 4 MiB of a manifest, and only its first
// element. The package knows nothing of resources, signatures and code; whether a file can be installed is the
// device's to say.
package apk
