package host

// KeptExits counts the processes whose exit is remembered.
func KeptExits(l *Local) int {
	l.exit.mu.Lock()
	defer l.exit.mu.Unlock()
	return len(l.exit.byID)
}

// Wrap classifies a system error.
func Wrap(err error) error { return wrap("", err) }
