package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// unit says what a number counts and so how it is written.
type unit int

const (
	times     unit = iota // a ratio
	plain                 // a number of things
	perSecond             // a rate
	seconds               // a time
	bytesOf               // a size
)

func (u unit) format(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case u == times:
		return digits(v) + "×"
	case u == perSecond:
		return digits(v) + "/s"
	case u == seconds:
		return formatSeconds(v)
	case u == bytesOf:
		return formatBytes(v)
	default:
		return digits(v)
	}
}

// digits writes three significant digits, and never an exponent.
func digits(v float64) string {
	decimals := 0
	if v != 0 {
		decimals = max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	s := strconv.FormatFloat(v, 'f', min(decimals, 6), 64)
	if short, err := strconv.ParseFloat(s, 64); err == nil {
		s = strconv.FormatFloat(short, 'f', -1, 64) // without trailing zeros
	}
	return s
}

func formatSeconds(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 1:
		return digits(v) + " s"
	case abs >= 1e-3:
		return digits(v*1e3) + " ms"
	default:
		return digits(v*1e6) + " µs"
	}
}

func formatBytes(v float64) string {
	const kib, mib = 1 << 10, 1 << 20
	switch abs := math.Abs(v); {
	case abs >= mib:
		return digits(v/mib) + " MiB"
	case abs >= kib:
		return digits(v/kib) + " KiB"
	default:
		return digits(v) + " B"
	}
}

// budget bounds a figure: by limit it passes, by aim it is good. The zero value bounds nothing.
type budget struct {
	limit, aim float64
	least      bool // the figure must reach the limit; otherwise it must not pass it
	set        bool
	ofOurs     bool // bounds our value although there is a baseline beside it
}

func atLeast(limit, aim float64) budget {
	return budget{limit: limit, aim: aim, least: true, set: true}
}
func atMost(limit, aim float64) budget { return budget{limit: limit, aim: aim, set: true} }

// oursAtMost bounds our value; the baseline only shows what of it is the machine's.
func oursAtMost(limit float64) budget {
	return budget{limit: limit, aim: limit, set: true, ofOurs: true}
}

func (b budget) holds(v, bound float64) bool {
	if b.least {
		return v >= bound
	}
	return v <= bound
}

func (b budget) format(u unit) string {
	if !b.set {
		return "–"
	}
	sign := "≤ "
	if b.least {
		sign = "≥ "
	}
	s := sign + u.format(b.limit)
	if b.aim != b.limit {
		s += " (aim " + u.format(b.aim) + ")"
	}
	return s
}

// figure is one line of the table.
type figure struct {
	what           string
	unit           unit
	ours, baseline float64 // baseline and ratio are NaN where there is none
	ratio          float64
	budget         budget
}

// absolute is a figure without baseline.
func absolute(what string, u unit, ours float64, b budget) figure {
	return figure{what, u, ours, math.NaN(), math.NaN(), b}
}

// compared is a figure of values taken in turns; the ratio is the median of the turns' ratios.
func compared(what string, u unit, turns pairs, b budget) figure {
	return figure{what, u, median(turns.ours), median(turns.baseline), turns.ratio(), b}
}

// against is a figure of one value each.
func against(what string, u unit, ours, baseline float64, b budget) figure {
	return compared(what, u, pairs{[]float64{ours}, []float64{baseline}}, b)
}

// judged returns what the budget bounds: the ratio where there is one, else our value.
func (f figure) judged() (float64, unit) {
	if math.IsNaN(f.ratio) || f.budget.ofOurs {
		return f.ours, f.unit
	}
	return f.ratio, times
}

func (f figure) missed() bool {
	v, _ := f.judged()
	return f.budget.set && !f.budget.holds(v, f.budget.limit)
}

func (f figure) verdict() string {
	switch v, _ := f.judged(); {
	case !f.budget.set:
		return "for information"
	case f.missed():
		return "MISSED"
	case f.budget.aim != f.budget.limit && f.budget.holds(v, f.budget.aim):
		return "ok, aim met"
	default:
		return "ok"
	}
}

// result is what a row came to.
type result struct {
	row     string
	figures []figure
	notes   []string
	err     error
}

// unmeasured says why a row has no figures, and whether that is a failure.
func (r result) unmeasured() (why string, failure bool) {
	var absent absentError
	switch {
	case r.err == nil:
		return "", false
	case errors.As(r.err, &absent):
		return fmt.Sprintf("not counted (%s)", absent), false
	default:
		return fmt.Sprintf("NOT MEASURED (%v)", r.err), true
	}
}

// fit reports whether the results make a good exit code.
func fit(results []result, strict bool) bool {
	for _, r := range results {
		why, failure := r.unmeasured()
		if failure || strict && why != "" {
			return false
		}
		for _, f := range r.figures {
			if strict && f.missed() {
				return false
			}
		}
	}
	return true
}
