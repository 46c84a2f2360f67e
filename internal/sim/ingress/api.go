package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// apiLimit bounds one question to the API.
const apiLimit = 30 * time.Second

// api asks the control plane.
type api struct {
	base, key string
	client    *http.Client
}

func newAPI(o Options, transport http.RoundTripper) api {
	return api{strings.TrimRight(o.APIURL, "/"), o.Key, &http.Client{Timeout: apiLimit, Transport: transport}}
}

// runner is where a sandbox is, and what lets the proxy in there.
type runner struct {
	ProxyURL string `json:"proxyUrl"`
	APIKey   string `json:"apiKey"`
}

var (
	errNotFound = errors.New("the API knows no such thing")
	errNoURL    = errors.New("the runner has told the API no proxyUrl")
)

// ask sends one question and decodes the answer, if somebody wants it.
func (a api) ask(ctx context.Context, method, key string, into any, path ...string) error {
	for i := range path {
		path[i] = url.PathEscape(path[i])
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/"+strings.Join(path, "/"), nil)
	if err != nil {
		return fmt.Errorf("ask the API: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the API: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("read the API's answer: %w", err)
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		return errNotFound
	case resp.StatusCode >= 300:
		return fmt.Errorf("the API answers %s", resp.Status)
	case into != nil:
		if err := json.Unmarshal(body, into); err != nil {
			return fmt.Errorf("read the API's answer: %w", err)
		}
	}
	return nil
}

// says turns a question's error into yes or no; no is a 4xx.
func says(err error) (bool, error) {
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (a api) public(ctx context.Context, id string) (bool, error) {
	return says(a.ask(ctx, http.MethodGet, a.key, nil, "preview", id, "public"))
}

// access asks with the user's own credentials.
func (a api) access(ctx context.Context, id, userKey string) (bool, error) {
	return says(a.ask(ctx, http.MethodGet, userKey, nil, "preview", id, "access"))
}

func (a api) validate(ctx context.Context, id, token string) (bool, error) {
	return says(a.ask(ctx, http.MethodGet, a.key, nil, "preview", id, "validate", token))
}

// sandboxOf resolves a signed token; "" is one that opens nothing.
func (a api) sandboxOf(ctx context.Context, token, port string) (id string, err error) {
	if err := a.ask(ctx, http.MethodGet, a.key, &id, "preview", token, port, "sandbox-id"); err != nil && !errors.Is(err, errNotFound) {
		return "", err
	}
	return id, nil
}

func (a api) runnerOf(ctx context.Context, id string) (runner, error) {
	var found runner
	if err := a.ask(ctx, http.MethodGet, a.key, &found, "runners", "by-sandbox", id); err != nil {
		return runner{}, err
	}
	if found.ProxyURL == "" {
		return runner{}, errNoURL
	}
	return found, nil
}

// touch tells that somebody uses the sandbox. Nobody waits for it, and a failure is made good by the next.
func (a api) touch(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), apiLimit)
	defer cancel()
	_ = a.ask(ctx, http.MethodPost, a.key, nil, "sandbox", id, "last-activity")
}

// runnerMemory is how long the proxy believes what it was told about a runner.
const runnerMemory = 2 * time.Minute

// runnerCache remembers the runners of sandboxes.
type runnerCache struct {
	mu    sync.Mutex
	known map[string]knownRunner
}

type knownRunner struct {
	runner
	until time.Time
}

// of returns what is remembered, or asks. Failures are not remembered.
func (c *runnerCache) of(id string, now time.Time, ask func() (runner, error)) (runner, error) {
	c.mu.Lock()
	have, found := c.known[id]
	c.mu.Unlock()
	if found && now.Before(have.until) {
		return have.runner, nil
	}
	fresh, err := ask()
	if err != nil {
		return runner{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]knownRunner{}
	}
	for other, k := range c.known {
		if !now.Before(k.until) {
			delete(c.known, other)
		}
	}
	c.known[id] = knownRunner{fresh, now.Add(runnerMemory)}
	return fresh, nil
}
