package main

import (
	"math"
	"slices"
	"time"
)

// pairs are values taken in turns.
type pairs struct{ ours, baseline []float64 }

// ratio is the median of ours/baseline turn by turn.
func (p pairs) ratio() float64 {
	ratios := make([]float64, min(len(p.ours), len(p.baseline)))
	for i := range ratios {
		ratios[i] = p.ours[i] / p.baseline[i]
	}
	return median(ratios)
}

// median of unsorted values; NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentile is the smallest value that at least the share p (0 to 1) of the sorted values
// do not pass (nearest rank); 0 of none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
