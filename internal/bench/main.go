package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// wholeRun bounds everything; the rows together take about half of it.
const wholeRun = 10 * time.Minute

// errUnfit makes the exit code 1 after the table has said why.
var errUnfit = errors.New("not everything could be measured, or -strict and not everything passed")

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareRole {
		exit(serveBare(os.Args[2:]))
	}
	var o options
	flag.BoolVar(&o.short, "short", false, "a quarter of the usual durations and counts")
	flag.BoolVar(&o.strict, "strict", false, "exit 1 unless every row was counted and every budget held")
	flag.StringVar(&o.rows, "rows", "", "comma-separated rows to run: "+strings.Join(rowNames(), ",")+" (empty: all)")
	flag.StringVar(&o.bin, "bin", "bin", "directory of runner-android and cvd-sim")
	flag.Parse()
	exit(run(o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type options struct {
	short, strict bool
	rows, bin     string
}

func run(o options) error {
	wanted, err := chooseRows(o.rows)
	if err != nil {
		return err
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, wholeRun)
	defer cancel()

	begun, load := time.Now(), loadAverage()
	results, err := measureAll(ctx, bin, scale(o.short), wanted)
	if len(results) == 0 && err != nil {
		return err
	}
	fmt.Printf("\n%s, %d cores, %s, load %s before, took %s\n\n", runtime.Version(), runtime.NumCPU(), runtime.GOARCH,
		load, time.Since(begun).Round(time.Second))
	printTable(os.Stdout, results)
	if err == nil && !fit(results, o.strict) {
		err = errUnfit
	}
	return err
}

// measureAll runs the rows one after the other in one lab.
func measureAll(ctx context.Context, bin string, s scaling, rows []row) (results []result, err error) {
	lab, err := openLab(ctx, bin, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lab.close()) }()
	for _, r := range rows {
		fmt.Fprintf(os.Stderr, "bench: %s: %s\n", r.name, r.about)
		figures, notes, err := r.measure(ctx, lab)
		results = append(results, result{row: r.name, figures: figures, notes: notes, err: err})
		if ctx.Err() != nil {
			return results, fmt.Errorf("stopped in row %s: %w", r.name, context.Cause(ctx))
		}
	}
	return results, nil
}
