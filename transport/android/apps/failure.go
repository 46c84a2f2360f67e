package apps

import (
	"regexp"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// failure is how pm says that something was not done: a code, and words.
var failure = regexp.MustCompile(`Failure \[([A-Za-z_0-9 ]+?)(?:: ?((?s:.*?)))?\](?:\s*$|\n)`)

// advice says what to do about the codes of PackageManager that have a remedy.
var advice = map[string]string{
	"INSTALL_FAILED_VERSION_DOWNGRADE":                    "the installed version is newer: send allowDowngrade (debuggable apps and images take it), or uninstall the app first",
	"INSTALL_FAILED_UPDATE_INCOMPATIBLE":                  "the installed app is signed with another key: uninstall it first, which deletes its data",
	"INSTALL_FAILED_SHARED_USER_INCOMPATIBLE":             "another app of the same shared user is signed with another key: uninstall that app first",
	"INSTALL_FAILED_ALREADY_EXISTS":                       "the app is installed already: leave out replace=false, or uninstall it first",
	"INSTALL_FAILED_NO_MATCHING_ABIS":                     "the app has native code for other processors only: install a build for the device's (see ro.product.cpu.abilist), or a universal one",
	"INSTALL_FAILED_CPU_ABI_INCOMPATIBLE":                 "the app has native code for other processors only: install a build for the device's (see ro.product.cpu.abilist), or a universal one",
	"INSTALL_FAILED_OLDER_SDK":                            "the app needs a newer Android: use a newer image, or a build with a lower minSdkVersion",
	"INSTALL_FAILED_NEWER_SDK":                            "the app was made for an older Android only: use an older image",
	"INSTALL_FAILED_DEPRECATED_SDK_VERSION":               "the app targets an Android that is too old for this device: use an older image, or a build with a higher targetSdkVersion",
	"INSTALL_FAILED_INSUFFICIENT_STORAGE":                 "the device's data partition is full: delete something, or create the sandbox with a larger disk",
	"INSTALL_FAILED_TEST_ONLY":                            "the app is a test build: send allowTest",
	"INSTALL_FAILED_INVALID_APK":                          "the APK, or one of its splits, is damaged or does not belong to the others",
	"INSTALL_FAILED_MISSING_SPLIT":                        "the app needs splits that were not sent: send all of them in one request, or the .apks archive",
	"INSTALL_FAILED_MISSING_SHARED_LIBRARY":               "the app needs a library that this image lacks: use another image (one with Google's services, for instance)",
	"INSTALL_FAILED_CONFLICTING_PROVIDER":                 "another app has a content provider of the same name: uninstall that app first",
	"INSTALL_FAILED_DUPLICATE_PERMISSION":                 "another app defines the same permission: uninstall that app first",
	"INSTALL_FAILED_VERIFICATION_FAILURE":                 "the device's verifier refused the app: turn it off with settings put global verifier_verify_adb_installs 0",
	"INSTALL_FAILED_VERIFICATION_TIMEOUT":                 "the device's verifier did not answer: try again",
	"INSTALL_FAILED_USER_RESTRICTED":                      "the device's policy forbids installing for this user",
	"INSTALL_FAILED_ABORTED":                              "the installation was cut short: try again",
	"INSTALL_PARSE_FAILED_NOT_APK":                        "the device could not read the file as an APK: it is damaged, or something else",
	"INSTALL_PARSE_FAILED_BAD_MANIFEST":                   "the APK's manifest cannot be read: the file is damaged, or something else",
	"INSTALL_PARSE_FAILED_NO_CERTIFICATES":                "the APK is not signed, or not in a way that this Android takes: sign it with apksigner",
	"INSTALL_PARSE_FAILED_INCONSISTENT_CERTIFICATES":      "the splits are signed with different keys, or the installed app with another one: uninstall it first",
	"INSTALL_PARSE_FAILED_MANIFEST_MALFORMED":             "the APK's manifest breaks one of Android's rules, which the message names",
	"INSTALL_PARSE_FAILED_UNEXPECTED_EXCEPTION":           "the device could not read the file as an APK: it is damaged, or something else",
	"INSTALL_PARSE_FAILED_RESOURCES_ARSC_COMPRESSED":      "resources.arsc must be stored and aligned for this Android: run zipalign, and build without compressing it",
	"INSTALL_BASELINE_PROFILE_FAILED":                     "the baseline profile belongs to another build: leave it out",
	"INSTALL_FAILED_PROCESS_NOT_DEFINED":                  "the manifest names a process that it does not define",
	"INSTALL_FAILED_UID_CHANGED":                          "data of an earlier installation belongs to another user: clear or uninstall the app first",
	"DELETE_FAILED_DEVICE_POLICY_MANAGER":                 "the app is a device administrator: take that from it first",
	"DELETE_FAILED_USER_RESTRICTED":                       "the device's policy forbids uninstalling for this user",
	"DELETE_FAILED_OWNER_BLOCKED":                         "the device's owner forbids uninstalling this app",
	"DELETE_FAILED_USED_SHARED_LIBRARY":                   "other apps use this one as a library: uninstall them first",
	"DELETE_FAILED_APP_PINNED":                            "the app is pinned to the screen: unpin it first",
	"INSTALL_FAILED_MEDIA_UNAVAILABLE":                    "the device's storage is not mounted: try again when it has booted",
	"INSTALL_FAILED_CONTAINER_ERROR":                      "the device could not copy the app to where it belongs: is its data partition full?",
	"INSTALL_FAILED_DEXOPT":                               "the device could not compile the app: is its data partition full?",
	"INSTALL_FAILED_INTERNAL_ERROR":                       "the device's package manager failed: its log says more (logcat)",
	"INSTALL_FAILED_INVALID_INSTALL_LOCATION":             "the app wants a place that this device lacks",
	"INSTALL_FAILED_REPLACE_COULDNT_DELETE":               "the old version could not be removed: uninstall it first",
	"INSTALL_FAILED_PERMISSION_MODEL_DOWNGRADE":           "the installed version targets a newer Android: uninstall it first",
	"INSTALL_FAILED_SANDBOX_VERSION_DOWNGRADE":            "the installed version has a newer sandbox: uninstall it first",
	"INSTALL_FAILED_WRONG_INSTALLED_VERSION":              "the installed version is not the one that these splits belong to: send the base too",
	"INSTALL_FAILED_INSTANT_APP_INVALID":                  "the app is no instant app",
	"INSTALL_FAILED_BAD_DEX_METADATA":                     "the dex metadata does not belong to the APK: leave it out",
	"INSTALL_FAILED_BAD_SIGNATURE":                        "the app's signature is not the one that its library demands",
	"INSTALL_FAILED_MULTIPACKAGE_INCONSISTENCY":           "the APKs are of different apps: send those of one app in a request",
	"INSTALL_FAILED_MULTI_ARCH_NOT_MATCH_ALL_NATIVE_ABIS": "the app has to have native code for all of the device's processors",
}

// refused makes 422 of what pm said instead of Success: with Android's code, and what to do about it.
func refused(what, said string) error {
	said = strings.TrimSpace(said)
	if said == "" {
		return fault.Unavailablef("%s: the device ended the conversation without a word; it may have died", what)
	}
	if strings.Contains(said, "abb is unavailable") {
		return fault.Unavailablef("%s: the device's package service is not up: try again", what)
	}
	code, words := "", firstLines(said)
	if m := failure.FindStringSubmatch(said); m != nil {
		code = m[1]
		if words = strings.TrimSpace(m[2]); words != "" {
			words = ": " + words
		}
		words = code + words
	}
	fields := map[string]any{}
	if code != "" {
		fields["androidCode"] = code
	}
	if todo := advice[code]; todo != "" {
		fields["reason"] = todo
		words += " (" + todo + ")"
	}
	return transport.Detailed(transport.Unprocessablef("%s: the device refused: %s", what, words), fields)
}

// firstLines are the first two of what was said: the name of an exception stands in the second.
func firstLines(said string) string {
	lines := strings.SplitN(said, "\n", 3)
	if len(lines) > 2 {
		lines = lines[:2]
	}
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, " ")
}

// succeeded reports whether pm did what it was told. Warnings may stand before the word.
func succeeded(said string) bool {
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "Success") {
			return true
		}
	}
	return false
}
