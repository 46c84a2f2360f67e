package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestNumbersAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit  unit
		value float64
		want  string
	}{
		{times, 0.7512, "0.751×"},
		{times, 57.23, "57.2×"},
		{times, math.NaN(), "–"},
		{perSecond, 41423.7, "41424/s"},
		{seconds, 0.000153, "153 µs"},
		{seconds, 0.0045, "4.5 ms"},
		{seconds, 2, "2 s"},
		{seconds, 0, "0 µs"},
		{bytesOf, 60 << 20, "60 MiB"},
		{bytesOf, 64 << 10, "64 KiB"},
		{bytesOf, -2048, "-2 KiB"},
		{bytesOf, 12, "12 B"},
		{plain, 5.05, "5.05"},
		{plain, -1, "-1"},
		{plain, 0.00000012, "0"},
	} {
		if got := c.unit.format(c.value); got != c.want {
			t.Errorf("unit %d of %v: %q; want %q", c.unit, c.value, got, c.want)
		}
	}
}

func TestVerdictComparesWhatTheBudgetBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		figure figure
		want   string
	}{
		{"a ratio that reaches its aim", against("", perSecond, 80, 100, atLeast(0.6, 0.75)), "ok, aim met"},
		{"a ratio between limit and aim", against("", perSecond, 70, 100, atLeast(0.6, 0.75)), "ok"},
		{"a ratio below its limit", against("", perSecond, 59, 100, atLeast(0.6, 0.75)), "MISSED"},
		{"a ratio on its upper limit", against("", seconds, 2, 1, atMost(2, 2)), "ok"},
		{"a ratio above its upper limit", against("", seconds, 2.1, 1, atMost(2, 2)), "MISSED"},
		{"a value without baseline", absolute("", bytesOf, 61, atMost(60, 60)), "MISSED"},
		{"a value with a baseline to look at", against("", seconds, 0.1, 0.01, oursAtMost(0.15)), "ok"},
		{"a value too large with a baseline to look at", against("", seconds, 0.2, 0.3, oursAtMost(0.15)), "MISSED"},
		{"a figure without budget", against("", seconds, 9, 1, budget{}), "for information"},
	} {
		if got := c.figure.verdict(); got != c.want {
			t.Errorf("%s: %q; want %q", c.name, got, c.want)
		}
	}
}

func TestExitCodeTellsFailureFromAbsenceAndFromMissedBudget(t *testing.T) {
	t.Parallel()
	good := result{figures: []figure{absolute("", plain, 1, atMost(2, 2))}}
	missed := result{figures: []figure{absolute("", plain, 3, atMost(2, 2))}}
	absent := result{err: fmt.Errorf("row: %w", absentError{"no adb"})}
	broken := result{err: errors.New("connection refused")}
	for _, c := range []struct {
		name                string
		results             []result
		wantFit, wantStrict bool
	}{
		{"all good", []result{good, good}, true, true},
		{"a missed budget", []result{good, missed}, true, false},
		{"an absent baseline", []result{absent, good}, true, false},
		{"a row that could not be measured", []result{good, broken}, false, false},
	} {
		if got := fit(c.results, false); got != c.wantFit {
			t.Errorf("%s: fit %v; want %v", c.name, got, c.wantFit)
		}
		if got := fit(c.results, true); got != c.wantStrict {
			t.Errorf("%s, strict: fit %v; want %v", c.name, got, c.wantStrict)
		}
	}
}

func TestTableAlignsColumnsByCharacters(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printTable(&out, []result{
		{row: "get", notes: []string{"64 connections"}, figures: []figure{
			against("requests", perSecond, 30000, 40000, atLeast(0.6, 0.75)),
			against("CPU", seconds, 0.000033, 0.000011, budget{}),
		}},
		{row: "exec", err: absentError{"no adb"}},
	})
	want := `                  ours  baseline  ratio  budget              verdict
get: requests  30000/s   40000/s  0.75×  ≥ 0.6× (aim 0.75×)  ok, aim met
get: CPU         33 µs     11 µs     3×  –                   for information
    64 connections
exec: not counted (no adb)
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestRowsAreChosenByName(t *testing.T) {
	t.Parallel()
	if rows, err := chooseRows(""); err != nil || len(rows) != len(allRows()) {
		t.Errorf("no list: %d rows, %v; want all", len(rows), err)
	}
	if rows, err := chooseRows("start,get"); err != nil || len(rows) != 2 || rows[0].name != "get" {
		t.Errorf("two names: %v, %v; want get and start, in the order of the table", rows, err)
	}
	if _, err := chooseRows("get,speed"); err == nil || !strings.Contains(err.Error(), `"speed"`) {
		t.Errorf("a wrong name: %v; want an error that names it", err)
	}
}
