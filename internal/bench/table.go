package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// printTable writes the figures in columns, a row's notes below its figures.
func printTable(w io.Writer, results []result) {
	head := []string{"", "ours", "baseline", "ratio", "budget", "verdict"}
	widths := columnWidths(append([][]string{head}, allCells(results)...))
	printLine(w, head, widths)
	for _, r := range results {
		for _, f := range r.figures {
			printLine(w, cells(r.row, f), widths)
		}
		if why, _ := r.unmeasured(); why != "" {
			fmt.Fprintf(w, "%s: %s\n", r.row, why)
		}
		for _, note := range r.notes {
			fmt.Fprintf(w, "    %s\n", note)
		}
	}
}

func allCells(results []result) [][]string {
	var all [][]string
	for _, r := range results {
		for _, f := range r.figures {
			all = append(all, cells(r.row, f))
		}
	}
	return all
}

func cells(row string, f figure) []string {
	_, judged := f.judged()
	return []string{
		row + ": " + f.what, f.unit.format(f.ours), f.unit.format(f.baseline), times.format(f.ratio),
		f.budget.format(judged), f.verdict(),
	}
}

func columnWidths(lines [][]string) []int {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// printLine pads by characters, not bytes; numbers to the right.
func printLine(w io.Writer, line []string, widths []int) {
	var b strings.Builder
	for i, cell := range line {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		switch {
		case i >= 1 && i <= 3:
			b.WriteString(pad + cell + "  ")
		case i == len(line)-1:
			b.WriteString(cell)
		default:
			b.WriteString(cell + pad + "  ")
		}
	}
	fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
}
