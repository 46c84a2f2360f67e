package daytona

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxBody bounds what is read of one request.
const maxBody = 1 << 20

// answer is what a handler wants sent. No body is an empty one.
type answer struct {
	status int
	body   any
	// drop closes the connection without an answer.
	drop bool
	// claimed is how many jobs a poll handed out; reported is the job that a report changed.
	claimed  int
	reported *job
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// refused is an error of the API. Its text and those of several validations are Daytona's.
func refused(status int, messages ...string) answer {
	return answer{status: status, body: refusal(strings.Join(messages, ", "))}
}

// refusal becomes the error body of the side that it is sent from.
type refusal string

// apiError is the API's error body, as recorded.
type apiError struct {
	Path       string `json:"path"`
	Timestamp  string `json:"timestamp"`
	StatusCode int    `json:"statusCode"`
	Error      string `json:"error"`
	Message    string `json:"message"`
}

// deskError is the error body of the desk.
type deskError struct {
	Error string `json:"error"`
}

// encode renders an answer's body; on the API's side refusals look like the API's.
func (a answer) encode(r *http.Request, onDesk bool) []byte {
	body := a.body
	if text, isRefusal := body.(refusal); isRefusal {
		body = apiError{
			Path: r.URL.Path, Timestamp: iso(time.Now()), StatusCode: a.status,
			Error: http.StatusText(a.status), Message: string(text),
		}
		if onDesk {
			body = deskError{string(text)}
		}
	}
	if body == nil {
		return nil
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // only our own types are sent, and they always have a JSON form
	}
	return data
}

func unknownRoute(r *http.Request) answer {
	return refused(http.StatusNotFound, "Cannot "+r.Method+" "+r.URL.Path)
}

// iso is a time as the API writes it: UTC, milliseconds.
func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// isoOrNull is absent (null) for a time that has not come.
func isoOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := iso(t)
	return &text
}

// newID is a random UUID, version 4.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newSecret is 32 characters, new each time.
func newSecret() string { return (rand.Text() + rand.Text())[:32] }

// fields is a JSON object whose types are yet to be checked.
type fields map[string]any

// readFields reads a request's JSON object. As with Daytona's framework, a body that is not declared as
// JSON is not looked at, so that the required fields are missing.
func readFields(r *http.Request) (fields, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return fields{}, nil
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	var f fields
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("the body is not a JSON object: %w", err)
	}
	if f == nil {
		return nil, errors.New("the body is not a JSON object")
	}
	return f, nil
}

// text returns a string, or "" and a complaint. A null is the same as nothing: Daytona's validation
// skips optional values that are null.
func (f fields) text(name string, optional bool) (value, complaint string) {
	switch v := f[name].(type) {
	case string:
		return v, ""
	case nil:
		if optional {
			return "", ""
		}
	}
	return "", name + " must be a string"
}

// choice returns a string that is one of several, or a complaint.
func (f fields) choice(name string, among []string) (value, complaint string) {
	v, _ := f[name].(string)
	if slices.Contains(among, v) {
		return v, ""
	}
	return "", name + " must be one of the following values: " + strings.Join(among, ", ")
}

// complaints drops the empty ones.
func complaints(all ...string) []string {
	return slices.DeleteFunc(all, func(c string) bool { return c == "" })
}

// number reads a JSON number leniently: 0 when it is none.
func (f fields) number(name string) float64 {
	v, _ := f[name].(float64)
	return v
}

// str reads a string leniently.
func (f fields) str(name string) string {
	v, _ := f[name].(string)
	return v
}

// strings reads an object of strings leniently.
func (f fields) strings(name string) map[string]string {
	out := map[string]string{}
	object, _ := f[name].(map[string]any)
	for k := range maps.Keys(object) {
		if v, isString := object[k].(string); isString {
			out[k] = v
		}
	}
	return out
}
