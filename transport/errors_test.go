package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/daytonaio/runner-android/internal/fault"
)

func TestEveryKindHasItsLooks(t *testing.T) {
	t.Parallel()
	want := map[fault.Kind]string{
		fault.Internal:     "500 INTERNAL_SERVER_ERROR",
		fault.Invalid:      "400 BAD_REQUEST bad request: x",
		fault.Unauthorized: "401 UNAUTHORIZED unauthorized: x",
		fault.Forbidden:    "403 FORBIDDEN forbidden: x",
		fault.NotFound:     "404 NOT_FOUND not found: x",
		fault.Conflict:     "409 CONFLICT conflict: x",
		fault.Exhausted:    "503 RESOURCE_EXHAUSTED resource exhausted: x",
		fault.Unsupported:  "501 NOT_IMPLEMENTED not implemented: x",
		fault.Timeout:      "504 TIMEOUT timeout: x",
		fault.Unavailable:  "503 UNAVAILABLE unavailable: x",
		fault.Cancelled:    "503 CANCELLED cancelled: x",
		fault.TooLarge:     "413 PAYLOAD_TOO_LARGE payload too large: x",
	}
	for _, kind := range fault.Kinds() {
		p := Redactor{}.problem(fault.New(kind, "x"), false)
		got := fmt.Sprintf("%d %s %s", p.status, p.code, p.message)
		if kind == fault.Internal {
			if p.id == "" || p.message != "internal error "+p.id+": x" {
				t.Errorf("internal: %+v", p)
			}
			got = fmt.Sprintf("%d %s", p.status, p.code)
		} else if p.id != "" {
			t.Errorf("%s has an error id", kind)
		}
		if got != want[kind] {
			t.Errorf("%s: got %s, want %s", kind, got, want[kind])
		}
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	const full = `{"errorReason":"boot cvd-1: No space left on device - you may attempt a recovery action","recoverable":true}`
	tests := []struct {
		name      string
		err       error
		inSandbox bool
		status    int
		code      string
		message   string // empty: not compared
	}{
		{"a bad body", InvalidBodyf("EOF"), false, 400, "INVALID_REQUEST_BODY", "invalid body request: EOF"},
		{"a wrapped bad body", fmt.Errorf("x: %w", InvalidBodyf("EOF")), false, 400, "INVALID_REQUEST_BODY", "invalid body request: x: EOF"},
		{"a command's own time limit", RequestTimeoutf("command execution timeout"), true, 408, "REQUEST_TIMEOUT",
			"request timeout: command execution timeout"},
		{"a wrapped kind", fmt.Errorf("start: %w", fault.NotFoundf("no x")), true, 404, "NOT_FOUND", "not found: start: no x"},
		{"an error without a kind", errors.New("x"), true, 500, "INTERNAL_SERVER_ERROR", ""},
		{"a full disk in a sandbox", fault.Wrap(fault.Exhausted, "boot cvd-1", errors.New("No space left on device")), true, 400, "BAD_REQUEST", full},
		{"a full disk without a kind", fmt.Errorf("boot cvd-1: No space left on device"), false, 400, "BAD_REQUEST", full},
		{"a full host at create", fault.Exhaustedf("disk: no space left on device"), false, 503, "RESOURCE_EXHAUSTED", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := Redactor{}.problem(tt.err, tt.inSandbox)
			if p.status != tt.status || p.code != tt.code || tt.message != "" && p.message != tt.message {
				t.Errorf("got %+v, want %d %s %s", p, tt.status, tt.code, tt.message)
			}
		})
	}
	if fault.KindOf(InvalidBodyf("x")) != fault.Invalid || fault.KindOf(RequestTimeoutf("x")) != fault.Timeout {
		t.Error("what looks special lost its kind")
	}
	if len(answers) != len(fault.Kinds()) || answers[fault.TooLarge].status != http.StatusRequestEntityTooLarge {
		t.Error("a kind has no looks")
	}
}

func TestRedaction(t *testing.T) {
	t.Parallel()
	r := Redactor{token: "runner-secret"}
	tests := []struct{ name, text, want string }{
		{"nothing secret", "start cvd-3: token expired: see /var/log: port 6520", "start cvd-3: token expired: see /var/log: port 6520"},
		{"our own token", "said runner-secret twice: runner-secret", "said (redacted) twice: (redacted)"},
		{"a bearer token", "got Authorization: Bearer abc.DEF-123_=", "got Authorization: Bearer (redacted)"},
		{"basic credentials", "header basic dXNlcjpwdw==", "header basic (redacted)"},
		{"user info of a URL", "dial https://u:p%40@s3.example/x?y", "dial https://(redacted)@s3.example/x?y"},
		{"an AWS key id", "key AKIAIOSFODNN7EXAMPLE refused", "key (redacted) refused"},
		{"an AWS secret by its name", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = (redacted)"},
		{"a variable", "AWS_SECRET_ACCESS_KEY=wJal/x API_TOKEN='y z'", "AWS_SECRET_ACCESS_KEY=(redacted) API_TOKEN='(redacted) z'"},
		{"a query", "GET /x?X-Amz-Signature=abc&y=1", "GET /x?X-Amz-Signature=(redacted)&y=1"},
		{"JSON", `{"password":"pw","user":"u"}`, `{"password":"(redacted)","user":"u"}`},
		{"what is no UTF-8", "a\xffb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := r.Clean(tt.text); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	long := r.Clean(strings.Repeat("ä", maxSentence))
	if len(long) > maxSentence+len("…") || !utf8.ValidString(long) || !strings.HasSuffix(long, "ä…") {
		t.Errorf("%d bytes, ends %q", len(long), long[len(long)-8:])
	}
}

func FuzzRedaction(f *testing.F) {
	f.Add("Bearer abc https://u:p@h/ token=x")
	f.Fuzz(func(t *testing.T, text string) {
		const token = "t0ken-of-the-runner"
		got := Redactor{token}.Clean(text + " " + token + " " + text)
		if strings.Contains(got, token) || !utf8.ValidString(got) || len(got) > maxSentence+len("…") {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"\\\n\r\t\x00\x1f\x7f", "<&>", "ä€😀", "\xff\xc3", "\u2028\u2029\ufffd", "x\xe2\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q became %s: %v", s, got, err)
		}
		reference, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(reference, &want); err != nil || back != want {
			t.Errorf("%q became %q, want %q", s, back, want)
		}
		if bytes := AppendString(nil, []byte(s)); string(bytes) != string(got) {
			t.Errorf("bytes became %s, text %s", bytes, got)
		}
	})
}
