package configs

import (
	"encoding/hex"
	"encoding/json"
	"strings"
)

// fingerprintSetting is a SHA-256 in hex, with or without colons; it is kept without.
type fingerprintSetting struct{ field *string }

func (s fingerprintSetting) Set(text string) error {
	plain := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	if raw, err := hex.DecodeString(plain); err != nil || len(raw) != 32 {
		return errNotAllowed
	}
	*s.field = plain
	return nil
}

func (fingerprintSetting) Allowed() string {
	return "a SHA-256 fingerprint: 64 hex digits, with or without colons"
}

func (s fingerprintSetting) String() string { return *s.field }

// iceSetting is a list of ICE servers as browsers want it (W3C WebRTC, RTCIceServer). It may hold credentials.
type iceSetting struct{ field *Secret }

func (s iceSetting) Set(text string) error {
	var servers []struct {
		URLs       json.RawMessage `json:"urls"`
		Username   string          `json:"username"`
		Credential string          `json:"credential"`
	}
	if err := json.Unmarshal([]byte(text), &servers); err != nil {
		return errNotAllowed
	}
	for _, server := range servers {
		var urls []string // the device takes a list alone
		if json.Unmarshal(server.URLs, &urls) != nil || len(urls) == 0 {
			return errNotAllowed
		}
		for _, url := range urls {
			if scheme, _, _ := strings.Cut(url, ":"); scheme != "stun" && scheme != "stuns" && scheme != "turn" && scheme != "turns" {
				return errNotAllowed
			}
		}
	}
	*s.field = NewSecret(text)
	return nil
}

func (iceSetting) Allowed() string {
	return `a JSON list such as [{"urls":["turn:host:3478"],"username":"u","credential":"c"}], with stun, stuns, turn or turns`
}

func (s iceSetting) String() string { return s.field.String() }
