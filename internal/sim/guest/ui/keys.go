package ui

import "strconv"

// Key codes of android.view.KeyEvent that the phone itself reacts to.
const (
	keyHome      = 3
	keyBack      = 4
	keyVolumeUp  = 24
	keyVolumeOff = 25
	keyPower     = 26
	keyTab       = 61
	keySpace     = 62
	keyEnter     = 66
	keyDel       = 67
	keyEscape    = 111
	keyForward   = 112
	keyMoveHome  = 122
	keyMoveEnd   = 123
	keyMute      = 164
	keySettings  = 176
	keyRecents   = 187
	keySleep     = 223
	keyWakeup    = 224
	keyCut       = 277
	keyCopy      = 278
	keyPaste     = 279
)

// Modifier bits of a key event, as KeyEvent.META_*_ON.
const (
	Shift = 1
	Alt   = 2
	Ctrl  = 0x1000
	Meta  = 0x10000
)

// Key is a key pressed and released, with the modifiers that are held.
func (p *Phone) Key(code, modifiers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.press(code, modifiers)
}

func (p *Phone) press(code, modifiers int) {
	switch code {
	case keyPower:
		p.asleep = !p.asleep
		return
	case keySleep:
		p.asleep = true
		return
	case keyWakeup:
		p.asleep = false
		return
	}
	if p.asleep {
		return
	}
	switch code {
	case keyHome:
		p.home()
	case keyBack:
		p.back()
	case keyRecents:
		p.recents = !p.recents
	case keySettings:
		p.open(p.apps[0])
	case keyVolumeUp, keyVolumeOff, keyMute:
		p.volume(code)
	default:
		p.edit(code, modifiers)
	}
}

// maxVolume is the loudest step of the music stream.
const maxVolume = 15

func (p *Phone) volume(code int) {
	now, err := strconv.Atoi(p.store.Setting("system", "volume_music"))
	if err != nil {
		now = 5
	}
	switch code {
	case keyVolumeUp:
		now++
	case keyVolumeOff:
		now--
	default:
		now = 0
	}
	p.store.PutSetting("system", "volume_music", strconv.Itoa(min(max(now, 0), maxVolume)))
}

// back hides the keyboard, or leaves the list of recent apps, or the app.
func (p *Phone) back() {
	switch {
	case p.ime:
		p.ime = false
	case p.recents:
		p.recents = false
	case p.turnBack():
	case len(p.stack) > 0:
		p.ended(p.front())
		p.stack = p.stack[:len(p.stack)-1]
	}
}

// field is what typing goes to, nil if nothing takes it.
func (p *Phone) field() *field {
	if a := p.front(); a != nil && !p.recents {
		return a.field()
	}
	return nil
}

func (p *Phone) edit(code, modifiers int) {
	f := p.field()
	if f == nil {
		return
	}
	if modifiers&Ctrl != 0 {
		switch code {
		case 29: // A
			f.all = len(f.text) > 0
			return
		case 31:
			code = keyCopy
		case 50:
			code = keyPaste
		case 52:
			code = keyCut
		default:
			return
		}
	}
	switch code {
	case keyCopy, keyCut:
		if !f.all {
			return
		}
		p.clipboard = string(f.text)
		if code == keyCut {
			f.set("")
		}
	case keyPaste:
		f.insert(p.clipboard)
	case keyDel:
		f.remove(1)
	case keyForward:
		f.remove(-1)
	case keyEnter, 160:
		switch {
		case f.enter != nil:
			f.enter()
		case f.multi:
			f.insert("\n")
		}
	case 19:
		f.vertical(-1)
	case 20:
		f.vertical(1)
	case 21:
		f.move(f.caret - 1)
	case 22:
		f.move(f.caret + 1)
	case keyMoveHome:
		f.move(f.lineStart(f.caret))
	case keyMoveEnd:
		f.move(f.lineEnd(f.caret))
	case keyEscape:
		p.ime = false
	default:
		if letter := letterOf(code, modifiers&Shift != 0); letter != 0 {
			f.insert(string(letter))
		}
	}
}

// letterOf is what a key of the virtual keyboard types, 0 for none.
func letterOf(code int, shift bool) rune {
	pick := func(plain, shifted string, i int) rune {
		if shift {
			return rune(shifted[i])
		}
		return rune(plain[i])
	}
	switch {
	case code >= 7 && code <= 16:
		return pick("0123456789", ")!@#$%^&*(", code-7)
	case code >= 29 && code <= 54:
		return pick("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", code-29)
	case code == 55 || code == 56:
		return pick(",.", "<>", code-55)
	case code == keySpace || code == keyTab:
		return map[int]rune{keySpace: ' ', keyTab: '\t'}[code]
	case code >= 68 && code <= 77:
		return pick("`-=[]\\;'/@", "~_+{}|:\"?@", code-68)
	case code == 17 || code == 18 || code == 81:
		return map[int]rune{17: '*', 18: '#', 81: '+'}[code]
	case code >= 144 && code <= 153:
		return rune('0' + code - 144)
	case code >= 154 && code <= 159:
		return rune("/*-+.,"[code-154])
	case code >= 161 && code <= 163:
		return rune("=()"[code-161])
	}
	return 0
}

// Typeable tells whether the virtual keyboard has all of text; the rune that it has not is
// returned else.
func Typeable(text string) (missing rune, ok bool) {
	for _, r := range text {
		if r != '\n' && r != '\t' && (r < 0x20 || r > 0x7e) {
			return r, false
		}
	}
	return 0, true
}

// Type types text, which must be Typeable.
func (p *Phone) Type(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.typed(text)
}

func (p *Phone) typed(text string) {
	f := p.field()
	if f == nil || p.asleep {
		return
	}
	for _, r := range text {
		if r == '\n' {
			p.press(keyEnter, 0)
		} else {
			f.insert(string(r))
		}
	}
}
