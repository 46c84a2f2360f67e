package s3storetest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Fault is what happens to requests that pass a Proxy. Op and Key choose them, Skip lets the first of those
// pass, and after Times the fault is used up. Then one of the others is done.
type Fault struct {
	Op    string // as OpOf says; any where empty
	Key   string // a part of the path; any where empty
	Skip  int
	Times int // once where zero, for ever where negative

	Status     int             // answer with this status
	Code       string          // and this code of S3, in place of the server
	Body       string          // or with this body
	CutRequest int64           // reset the connection after so many bytes of the body
	CutAnswer  int64           // reset the connection after so many bytes of the answer's body
	FlipAt     int64           // change the byte with this number, from 1, of the request's body
	FlipAnswer int64           // the same of the answer's body
	LoseAnswer bool            // have the request carried out, and reset the connection instead of answering
	Hold       <-chan struct{} // answer nothing until it is closed; then pass
	Do         func()          // called before the request passes
}

// Proxy passes requests to a server, but for its faults. It keeps the header Host, so that
// signatures hold. It is safe for concurrent use.
type Proxy struct {
	Endpoint string

	target *url.URL
	client *http.Transport

	mu     sync.Mutex
	faults []*Fault
	seen   map[string]int
	sent   map[string]int64
	failed atomic.Int64
}

// Proxy puts a proxy before the server, until the test has ended.
func (s *Server) Proxy(t testing.TB) *Proxy {
	t.Helper()
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		target: target, seen: map[string]int{}, sent: map[string]int64{},
		client: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
	}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		p.client.CloseIdleConnections()
	})
	p.Endpoint = server.URL
	return p
}

// Add adds a fault. The first added that fits is the one that happens.
func (p *Proxy) Add(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	p.faults = append(p.faults, &f)
}

// Clear drops all faults and counts.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
	clear(p.seen)
	clear(p.sent)
	p.failed.Store(0)
}

// Count returns how many requests of the operation have come, faulty ones too.
func (p *Proxy) Count(op string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[op]
}

// Sent returns the bytes in the bodies of the operation's requests.
func (p *Proxy) Sent(op string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent[op]
}

// Happened returns how often a fault happened.
func (p *Proxy) Happened() int { return int(p.failed.Load()) }

// OpOf names the operation of a request as S3's documentation does.
func OpOf(r *http.Request) string {
	q, inBucket := r.URL.Query(), strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0
	switch copies := r.Header.Get("x-amz-copy-source") != ""; {
	case q.Has("uploads") && r.Method == http.MethodPost:
		return "CreateMultipartUpload"
	case q.Has("uploads"):
		return "ListMultipartUploads"
	case q.Has("uploadId") && r.Method == http.MethodPut && copies:
		return "UploadPartCopy"
	case q.Has("uploadId") && r.Method == http.MethodPut:
		return "UploadPart"
	case q.Has("uploadId") && r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case q.Has("uploadId") && r.Method == http.MethodDelete:
		return "AbortMultipartUpload"
	case q.Has("uploadId"):
		return "ListParts"
	case q.Has("delete"):
		return "DeleteObjects"
	case !inBucket && r.Method == http.MethodGet:
		return "ListObjects"
	case r.Method == http.MethodPut && copies:
		return "CopyObject"
	}
	return map[string]string{
		http.MethodGet: "GetObject", http.MethodHead: "HeadObject", http.MethodPut: "PutObject", http.MethodDelete: "DeleteObject",
	}[r.Method]
}

// ServeHTTP passes one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := OpOf(r)
	f := p.pick(op, r.URL.Path)
	if f.Do != nil {
		f.Do()
	}
	if f.Hold != nil {
		// Only while nothing of the body is left to read does the server notice that the client leaves.
		held, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(held))
		select {
		case <-f.Hold:
		case <-r.Context().Done():
			return
		}
	}
	body := io.Reader(&countedReader{r.Body, func(n int) {
		p.mu.Lock()
		p.sent[op] += int64(n)
		p.mu.Unlock()
	}})
	if f.Status != 0 {
		_, _ = io.Copy(io.Discard, body) // a client that is gone
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(f.Status)
		if f.Body != "" {
			_, _ = io.WriteString(w, f.Body) // as above
			return
		}
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>made up by the proxy</Message></Error>", f.Code)
		return
	}
	if f.CutRequest > 0 {
		_, _ = io.CopyN(io.Discard, body, f.CutRequest)
		reset(w)
		return
	}
	if f.FlipAt > 0 {
		body = &flipped{body, f.FlipAt}
	}
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = p.target.Scheme, p.target.Host
	out.RequestURI, out.Body = "", http.NoBody
	if r.ContentLength != 0 {
		out.Body = io.NopCloser(body)
	}
	out.Header.Del("Expect") // answered here already
	resp, err := p.client.RoundTrip(out)
	if err != nil {
		reset(w)
		return
	}
	defer resp.Body.Close()
	if f.LoseAnswer {
		_, _ = io.Copy(io.Discard, resp.Body)
		reset(w)
		return
	}
	answer(w, resp, f)
}

// pick returns the fault for a request, an empty one mostly.
func (p *Proxy) pick(op, path string) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[op]++
	for i, f := range p.faults {
		if f.Op != "" && f.Op != op || !strings.Contains(path, f.Key) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times--; f.Times == 0 {
			p.faults = slices.Delete(p.faults, i, i+1)
		}
		p.failed.Add(1)
		return *f
	}
	return Fault{}
}

func answer(w http.ResponseWriter, resp *http.Response, f Fault) {
	for k, values := range resp.Header {
		w.Header()[k] = values
	}
	w.WriteHeader(resp.StatusCode)
	body := io.Reader(resp.Body)
	if f.FlipAnswer > 0 {
		body = &flipped{body, f.FlipAnswer}
	}
	if f.CutAnswer > 0 {
		_, _ = io.CopyN(w, body, f.CutAnswer)
		_ = http.NewResponseController(w).Flush()
		reset(w)
		return
	}
	_, _ = io.Copy(w, body) // the client has gone, or the server: either sees it
}

// reset ends the client's connection as a crash does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

type countedReader struct {
	io.Reader
	count func(int)
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.count(n)
	return n, err
}

// flipped changes the byte with the number left, from 1.
type flipped struct {
	io.Reader
	left int64
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if f.left > 0 && f.left <= int64(n) {
		p[f.left-1] ^= 0xff
	}
	f.left -= int64(n)
	return n, err
}
