// Package key turns the names of keys that Daytona's SDKs send into what Android's input command takes.
//
// Words: a chord is one key pressed alone or with modifiers held; its codes are what "input keyevent" and
// "input keycombination" take, numbers or names beginning with KEYCODE_.
//
// Names, aliases and refusals are those of Daytona's daemon 0.190, with the names of Android's own keys
// beside them: back, recents, HOME (the launcher; "home" is the caret's), volume_up, any KEYCODE_ name
// and any number of more than one digit. It is pure: it neither knows devices nor runs anything.
//
//	chord, err := key.Hotkey("ctrl+shift+a")
//	chord.Codes // [113 59 29]
package key
