package s3storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"golang.org/x/sys/unix"
)

// Server is a running S3 server with one empty bucket.
type Server struct {
	Endpoint  string
	Bucket    string
	AccessKey string
	SecretKey string
	Region    string
	// Dir holds the bucket's objects as plain files under their keys; empty for Light.
	Dir string
	// Pid is that of the server's process; zero for Light.
	Pid int
}

// startLimit is how long a server may take until it answers.
const startLimit = 30 * time.Second

// program is versitygw's path, found or built once for each test binary.
var program = sync.OnceValues(build)

// build has the Go tool build versitygw, or find it in its cache, and returns its path.
func build() (string, error) {
	root, err := exec.Command("go", "env", "GOMOD").Output() //nolint:noctx // nothing to cancel it for
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command("go", "tool", "-n", "versitygw") //nolint:noctx // as long as it takes; the test's own limit ends it
	cmd.Dir = filepath.Join(filepath.Dir(strings.TrimSpace(string(root))), "tools", "versitygw")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build it in tools/versitygw: %w: %s", err, lastLine(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// Start runs versitygw on a free port of the loopback, with random keys, in a directory of the test, until the
// test has ended. Where it cannot be built or started the test is skipped, and says why.
func Start(t testing.TB) *Server {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Skipf("skipped: needs versitygw: %v", err)
	}
	dir := t.TempDir()
	s := &Server{Bucket: "bucket", AccessKey: rand.Text(), SecretKey: rand.Text(), Region: "us-east-1"}
	s.Dir = filepath.Join(dir, "objects", s.Bucket)
	sidecar := filepath.Join(dir, "attributes")
	for _, made := range []string{s.Dir, sidecar} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"posix"}
	if unix.Setxattr(s.Dir, "user.test", []byte("x"), 0) != nil {
		args = append(args, "--sidecar", sidecar) // a file system without attributes
	}
	args = append(args, filepath.Dir(s.Dir))

	var output string
	for range 3 { // another process may have taken the port meanwhile
		if output, err = s.run(t, path, args); err == nil {
			return s
		}
	}
	t.Skipf("skipped: needs versitygw: start it: %v: %s", err, lastLine(output))
	return nil
}

// run starts the process and waits until it answers.
func (s *Server) run(t testing.TB, path string, args []string) (output string, err error) {
	t.Helper()
	address, err := freeAddress(t.Context())
	if err != nil {
		return "", err
	}
	logged := &lockedBuffer{}
	args = append([]string{"--port", address, "--keep-alive", "--quiet", "--health", "/healthz", "--region", s.Region}, args...)
	cmd := exec.Command(path, args...) //nolint:noctx // it ends with the test's clean-up, after the test's context
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+s.AccessKey, "ROOT_SECRET_ACCESS_KEY="+s.SecretKey)
	cmd.Stdout, cmd.Stderr = logged, logged
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // should the test binary be killed
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // killed, most often
		close(ended)
	}()
	stop := func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	}
	s.Endpoint, s.Pid = "http://"+address, cmd.Process.Pid
	if err := awaitHealth(t.Context(), s.Endpoint+"/healthz", ended); err != nil {
		stop()
		return logged.String(), err
	}
	t.Cleanup(stop)
	return "", nil
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func awaitHealth(ctx context.Context, url string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-ticker.C:
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// Light runs gofakes3, in memory, until the test has ended. It verifies neither signatures nor
// checksums and cannot copy parts.
func Light(t testing.TB) *Server {
	t.Helper()
	s := &Server{Bucket: "bucket", AccessKey: "any", SecretKey: "anything", Region: "us-east-1"}
	backend := s3mem.New()
	if err := backend.CreateBucket(s.Bucket); err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0)
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.StdLog(quiet))).Server())
	t.Cleanup(server.Close)
	s.Endpoint = server.URL
	return s
}

// lockedBuffer is what a process prints.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
