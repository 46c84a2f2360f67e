package main

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"
)

func TestMedianIsTheMiddleOfUnsortedValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want || !slices.Equal(c.values, before) {
			t.Errorf("median of %v: %v; want %v, and the values left alone", before, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing: %v; want NaN", got)
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{hundred, 0, 1}, {hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100},
		{hundred[:1], 0.99, 1}, {hundred[:2], 0.5, 1}, {nil, 0.5, 0},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %v of %d values: %d; want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestRatioIsTakenTurnByTurn(t *testing.T) {
	t.Parallel()
	// A neighbour halves the speed of the second turn of both; the ratio does not notice.
	got := pairs{ours: []float64{80, 40, 80}, baseline: []float64{100, 50, 100}}.ratio()
	if math.Abs(got-0.8) > 1e-9 {
		t.Errorf("ratio %v; want 0.8", got)
	}
}

func TestTurnsAlternateAndEndWithTheFirstError(t *testing.T) {
	t.Parallel()
	var order []string
	turn := func(name string) func() error {
		return func() error {
			order = append(order, name)
			if len(order) == 5 {
				return errors.New("stop")
			}
			return nil
		}
	}
	err := takeTurns(9, turn("ours"), turn("base"))
	if want := []string{"ours", "base", "base", "ours", "ours"}; err == nil || !slices.Equal(order, want) {
		t.Errorf("order %v, error %v; want %v and an error", order, err, want)
	}
}
