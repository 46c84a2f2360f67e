package packages

import "fmt"

// Failure is Android's refusal. Its code is one of PackageManager's: INSTALL_FAILED_….
type Failure struct{ Code, Text string }

// Error is what pm prints between "Failure [" and "]".
func (f *Failure) Error() string {
	if f.Text == "" {
		return f.Code
	}
	return f.Code + ": " + f.Text
}

func failf(code, format string, a ...any) error {
	return &Failure{code, fmt.Sprintf(format, a...)}
}

// Misuse is what Java throws where a call makes no sense.
type Misuse struct{ Class, Text string }

// Error is the exception's text.
func (e *Misuse) Error() string { return e.Text }

func misuse(class, format string, a ...any) error {
	return &Misuse{class, fmt.Sprintf(format, a...)}
}

// The codes that are used.
const (
	codeAlready       = "INSTALL_FAILED_ALREADY_EXISTS"
	codeBadName       = "INSTALL_PARSE_FAILED_BAD_PACKAGE_NAME"
	codeDowngrade     = "INSTALL_FAILED_VERSION_DOWNGRADE"
	codeIncompatible  = "INSTALL_FAILED_UPDATE_INCOMPATIBLE"
	codeInvalid       = "INSTALL_FAILED_INVALID_APK"
	codeMissingSplit  = "INSTALL_FAILED_MISSING_SPLIT"
	codeNoABI         = "INSTALL_FAILED_NO_MATCHING_ABIS"
	codeNoCertificate = "INSTALL_PARSE_FAILED_NO_CERTIFICATES"
	codeNotAPK        = "INSTALL_PARSE_FAILED_NOT_APK"
	codeOldTarget     = "INSTALL_FAILED_DEPRECATED_SDK_VERSION"
	codeOlderSDK      = "INSTALL_FAILED_OLDER_SDK"
	codeStorage       = "INSTALL_FAILED_INSUFFICIENT_STORAGE"
	codeTestOnly      = "INSTALL_FAILED_TEST_ONLY"
	codeUnexpected    = "INSTALL_PARSE_FAILED_UNEXPECTED_EXCEPTION"
	codeInternal      = "INSTALL_FAILED_INTERNAL_ERROR"
	codeDelete        = "DELETE_FAILED_INTERNAL_ERROR"
)
