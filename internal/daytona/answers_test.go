package daytona_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/daytona"
	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

// tooLarge writes more than any list of jobs has.
func tooLarge(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"id":"`)
	chunk := []byte(strings.Repeat("a", 1<<20))
	for range 17 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, `"}`)
}

// Ensure an answer's status becomes the kind that says what to do, in the API's own words, and
// that only what another try may change is tried again.
func TestAnswersAndTheirKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer http.HandlerFunc
		kind   fault.Kind
		tries  int    // of a call that may be repeated
		want   string // part of the text
	}{
		{"bad token", saying(401, `{"statusCode":401,"error":"Unauthorized","message":"Invalid credentials"}`), fault.Unauthorized, 1, "Invalid credentials"},
		{"token of another role", saying(403, `{"message":"Invalid authentication context"}`), fault.Forbidden, 1, "Invalid authentication context"},
		{"unknown", saying(404, `{"message":"Job not found"}`), fault.NotFound, 1, "404 Not Found: Job not found"},
		{"conflict", saying(409, `{"message":"Invalid job status transition from COMPLETED to FAILED"}`), fault.Conflict, 1, "Invalid job status transition"},
		{"validation with one text", saying(400, `{"message":"appVersion must be a string"}`), fault.Invalid, 1, "appVersion must be a string"},
		{"validation with a list", saying(400, `{"message":["a must be a string","b must be a number"]}`), fault.Invalid, 1, "a must be a string, b must be a number"},
		{"a refusal without a sentence", saying(422, ``), fault.Invalid, 1, "422 Unprocessable Entity"},
		{"a refusal in HTML", saying(400, `<html>nginx</html>`), fault.Invalid, 1, "400 Bad Request"},
		{"a refusal with a number for a message", saying(400, `{"message":7}`), fault.Invalid, 1, "400 Bad Request"},
		{"request time-out", saying(408, ``), fault.Unavailable, 3, "408"},
		{"throttled", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			saying(429, `{"message":"Too many"}`)(w, r)
		}, fault.Unavailable, 3, "429 Too Many Requests: Too many (try again after 7)"},
		{"broken", saying(500, `{"message":"An unexpected error occurred."}`), fault.Unavailable, 3, "An unexpected error occurred."},
		{"bad gateway", saying(502, `<html>`), fault.Unavailable, 3, "502 Bad Gateway"},
		{"overloaded", saying(503, ``), fault.Unavailable, 3, "503"},
		{"a page of a proxy", saying(200, `<html>sign in</html>`), fault.Unavailable, 3, "<html>sign in</html>"},
		{"nothing at all", saying(200, ``), fault.Unavailable, 3, "not what was expected"},
		{"an array", saying(200, `[]`), fault.Unavailable, 3, "not what was expected"},
		{"cut short", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			saying(200, `{"id":"a`)(w, r)
		}, fault.Unavailable, 3, "unexpected EOF"},
		{"hung up", hangUp, fault.Unavailable, 3, "reach Daytona's API"},
	}
	var rows sync.WaitGroup // they wait most of the time, and subtests are few at once
	for _, tt := range tests {
		rows.Go(func() {
			api := serve(t, tt.answer)
			_, err := api.client(t, daytona.Options{}).Me(t.Context())
			if !fault.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "GET /runners/me: ") {
				t.Errorf("%s: got %v (%s), want %s with %q", tt.name, err, fault.KindOf(err), tt.kind, tt.want)
			}
			if strings.Contains(err.Error(), token) || len(err.Error()) > 1000 {
				t.Errorf("%s: the error tells too much: %d bytes", tt.name, len(err.Error()))
			}
			if got := len(api.requests()); got != tt.tries {
				t.Errorf("%s: tried %d times, want %d", tt.name, got, tt.tries)
			}
		})
	}
	rows.Wait()
}

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	api := serve(t, tooLarge)
	_, err := api.client(t, daytona.Options{}).Poll(t.Context(), 0, 1)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "more than 16777216 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestWhoMayBeAskedAgain(t *testing.T) {
	t.Parallel()
	want := map[string]int{
		"a poll": 1, "progress": 1, "a job that is done": 1, "a job that failed": 1, "a healthcheck": 1,
		"the list of claimed jobs": 3, "a job": 3, "the own row": 3, "the sandboxes": 3, "a state": 3, "a state without a reason": 3,
	}
	var rows sync.WaitGroup
	for _, tt := range everyCall {
		rows.Go(func() {
			api := serve(t, saying(503, ``))
			err := tt.make(t.Context(), api.client(t, daytona.Options{}))
			if got := len(api.requests()); got != want[tt.name] || !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: tried %d times, %v, want %d", tt.name, got, err, want[tt.name])
			}
		})
	}
	rows.Wait()
}

func TestTheThirdTryMaySucceed(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			saying(502, ``)(w, r)
		case 2:
			hangUp(w, r)
		default:
			saying(200, `{"id":"r-1","name":"host","region":"us","state":"ready","apiVersion":"2","class":"container","unschedulable":true,"more":null}`)(w, r)
		}
	})
	got, err := api.client(t, daytona.Options{}).Me(t.Context())
	want := wire.RunnerDTO{ID: "r-1", Name: "host", Region: "us", State: "ready", APIVersion: "2", SandboxClass: "container", Unschedulable: true}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// Ensure pauses between tries grow and differ from client to client.
func TestTriesAreApart(t *testing.T) {
	t.Parallel()
	var at [3]time.Time
	var calls atomic.Int32
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		at[calls.Add(1)-1] = time.Now()
		saying(503, ``)(w, r)
	})
	_, _ = api.client(t, daytona.Options{}).Me(t.Context())
	// 100 ms and 200 ms, each by half more or less; a slow machine makes them longer only.
	if first, second := at[1].Sub(at[0]), at[2].Sub(at[1]); first < 50*time.Millisecond || second < 100*time.Millisecond {
		t.Errorf("pauses of %s and %s, want at least 50 ms and 100 ms", first, second)
	}
}

// Ensure the token is not sent on to where an answer points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, saying(200, `{"jobs":[]}`))
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.server.URL, http.StatusFound)
	})
	c := api.client(t, daytona.Options{})
	var calls sync.WaitGroup
	for _, tt := range everyCall {
		calls.Go(func() {
			if err := tt.make(t.Context(), c); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "302 Found") {
				t.Errorf("%s: got %v", tt.name, err)
			}
		})
	}
	calls.Wait()
	if got := elsewhere.requests(); len(got) != 0 {
		t.Errorf("the other host heard %q", got)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	api := serve(t, saying(200, `{}`))
	c := api.client(t, daytona.Options{})
	api.server.Close()
	_, err := c.Poll(t.Context(), time.Second, 1)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "http://") {
		t.Errorf("got %v, want it Unavailable, without the URL", err)
	}
}

// silent answers nothing until the client leaves.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Ensure an API that is slow is told from a caller who left.
func TestWhoEndedTheCall(t *testing.T) {
	t.Parallel()
	stopping := errors.New("the runner is stopping")
	tests := []struct {
		name  string
		limit time.Duration
		leave func(context.Context) (context.Context, context.CancelFunc)
		kind  fault.Kind
		want  string
	}{
		{"the call's own limit", 20 * time.Millisecond, context.WithCancel, fault.Unavailable, "did not answer within 20ms"},
		{"the caller's deadline", time.Minute, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		}, fault.Timeout, "deadline exceeded"},
		{"the caller's deadline with words of its own", time.Minute, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 20*time.Millisecond, fault.Timeoutf("no end within 20ms"))
		}, fault.Timeout, "no end within 20ms"},
		{"the caller left", time.Minute, func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		}, fault.Cancelled, "canceled"},
		{"the caller left for a reason without a kind", time.Minute, func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(20*time.Millisecond, func() { cancel(stopping) })
			return ctx, func() { cancel(nil) }
		}, fault.Cancelled, stopping.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, silent)
			ctx, cancel := tt.leave(t.Context())
			defer cancel()
			_, err := api.client(t, daytona.Options{Limit: tt.limit}).Job(ctx, "j")
			if !fault.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v (%s), want %s: %s", err, fault.KindOf(err), tt.kind, tt.want)
			}
			// A request that was given up may arrive late, or not at all.
			if n := len(api.requests()); n > 3 || n > 1 && tt.kind != fault.Unavailable {
				t.Errorf("tried %d times", n)
			}
		})
	}
}

// Ensure a caller who leaves between two tries is not kept waiting, and hears that it left.
func TestLeavingBetweenTries(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.AfterFunc(10*time.Millisecond, func() { cancel(errors.New("enough")) })
		saying(503, ``)(w, r)
	})
	_, err := api.client(t, daytona.Options{}).Me(ctx)
	if !fault.Is(err, fault.Cancelled) || !strings.HasSuffix(err.Error(), "enough") || len(api.requests()) != 1 {
		t.Errorf("got %v (%s) after %d tries", err, fault.KindOf(err), len(api.requests()))
	}
}

// Ensure that a list which breaks off in the midst is cut off by the same limit.
func TestASlowBody(t *testing.T) {
	t.Parallel()
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(1<<20))
		_, _ = io.WriteString(w, `{"id":`)
		_ = http.NewResponseController(w).Flush()
		silent(w, r)
	})
	_, err := api.client(t, daytona.Options{Limit: 20 * time.Millisecond}).Me(t.Context())
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "did not answer within") {
		t.Errorf("got %v", err)
	}
}

// Ensure a report of a state counts only when the API itself answered: nothing, or JSON.
func TestAStateIsTakenByTheAPIAlone(t *testing.T) {
	t.Parallel()
	for body, taken := range map[string]bool{"": true, "\n": true, "{}": true, "null": true, "<html>sign in</html>": false, "OK": false} {
		api := serve(t, saying(200, body))
		err := api.client(t, daytona.Options{}).SetState(t.Context(), "a", wire.SandboxStateDTO{State: "stopped"})
		if taken != (err == nil) || !taken && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%q: %v", body, err)
		}
	}
}
