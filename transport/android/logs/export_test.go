package logs

// Feed reads records out of pieces and writes them as text, for tests of what a guest may send.
func Feed(pieces ...[]byte) (text []byte, rest int, err error) {
	r := reader{events: map[uint32]string{1: "one"}}
	for _, p := range pieces {
		if err = r.feed(p, func(rec *record) { text = appendLog(appendText(text, rec), rec) }); err != nil {
			break
		}
	}
	return text, len(r.rest), err
}
