package ingress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	tokenHeader  = "X-Daytona-Preview-Token"
	tokenQuery   = "DAYTONA_SANDBOX_AUTH_KEY"
	cookiePrefix = "daytona-sandbox-auth-"
	cookieLife   = time.Hour
)

// authenticate finds the sandbox that the request's sender may reach, in Daytona's order: the user's key, a
// preview token as header or query, the cookie of a login, a signed token in the sandbox's place. What let
// it in, apart from the cookie, is taken off the request. Without a sandbox, why says what was wrong.
func (p *Proxy) authenticate(r *http.Request, t target) (sandbox, why string) {
	ctx := r.Context()
	var wrong []string
	note := func(what string, err error) {
		if err != nil {
			what = fmt.Sprintf("%s (%v)", what, err)
		}
		wrong = append(wrong, what)
	}
	if key, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); isBearer {
		valid, err := p.api.access(ctx, t.label, strings.TrimSpace(key))
		if valid {
			r.Header.Del("Authorization")
			return t.label, ""
		}
		note("the Authorization header opens nothing", err)
	}
	if token := r.Header.Get(tokenHeader); token != "" {
		r.Header.Del(tokenHeader)
		valid, err := p.api.validate(ctx, t.label, token)
		if valid {
			return t.label, ""
		}
		note("the preview token of the header opens nothing", err)
	}
	if query := r.URL.Query(); query.Get(tokenQuery) != "" {
		valid, err := p.api.validate(ctx, t.label, query.Get(tokenQuery))
		if valid {
			query.Del(tokenQuery)
			r.URL.RawQuery = query.Encode() // as Daytona does: what is left is sorted, and encoded anew
			return t.label, ""
		}
		note("the preview token of the query opens nothing", err)
	}
	if cookie, err := r.Cookie(cookiePrefix + t.label); err == nil {
		if p.cookieOpens(cookie.Value, t.label, time.Now()) {
			return t.label, ""
		}
		note("the cookie opens nothing", nil)
	}
	if !t.toolboxForm {
		id, err := p.api.sandboxOf(ctx, t.label, t.port)
		if id != "" {
			return id, ""
		}
		if err != nil {
			note("the host's label was not looked up", err)
		}
	}
	if len(wrong) == 0 {
		return "", "want Authorization: Bearer <API key>, " + tokenHeader + ": <preview token>, the same token as query " +
			tokenQuery + ", or a signed address"
	}
	return "", strings.Join(wrong, "; ")
}

// cookieFor is a value that opens one sandbox for an hour.
func (p *Proxy) cookieFor(id string, now time.Time) string {
	until := strconv.FormatInt(now.Add(cookieLife).Unix(), 10)
	return until + "." + p.sign(id, until)
}

func (p *Proxy) sign(id, until string) string {
	mac := hmac.New(sha256.New, p.cookieKey[:])
	mac.Write([]byte(until + " " + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (p *Proxy) cookieOpens(value, id string, now time.Time) bool {
	until, signature, _ := strings.Cut(value, ".")
	seconds, err := strconv.ParseInt(until, 10, 64)
	return err == nil && now.Before(time.Unix(seconds, 0)) && hmac.Equal([]byte(signature), []byte(p.sign(id, until)))
}

// loginPath is where this double's stand-in for Daytona's login is, on the domain above those of sandboxes.
const loginPath = "/login"

// loginURL is where somebody is sent who may not pass yet.
func loginURL(r *http.Request, t target) string {
	_, domain, _ := strings.Cut(r.Host, ".")
	back := "http://" + r.Host + r.URL.RequestURI()
	return "http://" + domain + loginPath + "?" + url.Values{"sandbox": {t.label}, "to": {back}}.Encode()
}

const loginPage = `<!DOCTYPE html><title>Simulated Daytona</title>
<h1>Simulated Daytona</h1><p>In place of a login: the user's API key (demo-key, unless another was chosen).</p>
<form method="post"><input name="key" type="password" autofocus><button>Open the sandbox</button></form>
`

// login asks for a user's key, and exchanges it for the cookie.
func (p *Proxy) login(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id, to := query.Get("sandbox"), query.Get("to")
	_, domain, _ := strings.Cut(hostOf(to), ".")
	if id == "" || domain != r.Host || !strings.HasPrefix(to, "http://") {
		refuse(w, r, http.StatusBadRequest, "bad request: the address to go back to is not one of this proxy's")
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(loginPage))
		return
	}
	if valid, err := p.api.access(r.Context(), id, r.PostFormValue("key")); !valid || err != nil {
		refuse(w, r, http.StatusUnauthorized, "unauthorized: the key opens nothing")
		return
	}
	host, _, _ := strings.Cut(domain, ":")
	http.SetCookie(w, &http.Cookie{
		Name: cookiePrefix + id, Value: p.cookieFor(id, time.Now()), Path: "/", Domain: host,
		MaxAge: int(cookieLife / time.Second), HttpOnly: true,
	})
	http.Redirect(w, r, to, http.StatusFound)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
