package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The flood: so many lines a second, for so long, that nobody reads.
const (
	floodRate = 50_000
	floodTime = 12 * time.Second
)

// measureLogcat lets a device log 50,000 lines a second to a client that stalls, and looks at the runner's memory.
func measureLogcat(ctx context.Context, l *lab) (figures []figure, notes []string, err error) {
	err = l.withRivals(ctx, func(r *runner, d device, a *adb) error {
		if err := a.run(ctx, "shell", "logcat -G 16M"); err != nil { // on a busy machine logcat itself would miss lines
			return err
		}
		lines := int(floodRate * l.span(floodTime).Seconds())
		growth, stop := r.watchGrowth(ctx)
		defer stop()
		resp, hangUp, err := r.followLog(ctx, d) //nolint:bodyclose // hangUp does
		if err != nil {
			return err
		}
		defer hangUp()
		before, err := r.cpu()
		if err != nil {
			return err
		}
		began := time.Now()
		if err := a.run(ctx, "shell", fmt.Sprintf("logflood %d %d", floodRate, lines)); err != nil {
			return err
		}
		took := time.Since(began)
		after, err := r.cpu()
		if err != nil {
			return err
		}
		stalled := float64(growth.Load())
		seen, dropped, err := countLines(resp, lines)
		if err != nil {
			return err
		}
		stop()
		figures = []figure{
			absolute("resident memory grew by, reader stalled", bytesOf, stalled, atMost(32<<20, 24<<20)),
			absolute("resident memory grew by, all told", bytesOf, float64(growth.Load()), atMost(32<<20, 24<<20)),
			absolute("the runner's CPU for a line", seconds, (after-before).Seconds()/float64(lines), budget{}),
		}
		notes = []string{fmt.Sprintf("%d lines in %.1f s; the reader then got %d of them and was told of %d dropped", lines, took.Seconds(), seen, dropped)}
		if seen+dropped < lines/2 || dropped == 0 { // on a busy machine logd itself lets some go
			return fmt.Errorf("of %d lines %d came and %d were said to be dropped", lines, seen, dropped)
		}
		return nil
	})
	return figures, notes, err
}

// followLog opens a stream of the flood's lines.
func (r *runner) followLog(ctx context.Context, d device) (*http.Response, func(), error) {
	req, err := r.request(ctx, http.MethodGet, "http://"+r.addr+"/sandboxes/"+d.ID+"/android/logcat?since=now&tag=Flood", nil)
	if err != nil {
		return nil, nil, err
	}
	own := &http.Transport{}
	resp, err := own.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, nil, errors.New("logcat: " + resp.Status)
	}
	return resp, func() { _ = resp.Body.Close(); own.CloseIdleConnections() }, nil
}

// countLines reads until the flood's last line.
func countLines(resp *http.Response, lines int) (seen, dropped int, err error) {
	last := fmt.Sprintf(`"message":"line %d `, lines-1)
	in := bufio.NewReaderSize(resp.Body, 256<<10)
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return seen, dropped, err
		}
		var n int
		if _, err := fmt.Sscanf(text, `data: {"count":%d}`, &n); err == nil {
			dropped += n
		}
		if strings.Contains(text, `"message":"line `) {
			seen++
		}
		if strings.Contains(text, last) {
			return seen, dropped, nil
		}
	}
}
