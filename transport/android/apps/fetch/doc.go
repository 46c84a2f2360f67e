// Package fetch gets a file from a URL that a stranger named, from within a network that the stranger must not see.
//
// Words: an address is public when the whole Internet reaches it; the operator may allow others.
//
//	got, err := fetch.New(fetch.Options{Allow: prefixes}).Get(ctx, "https://example.com/app.apk")
//	defer got.Body.Close()
//
// Only http and https. The address is judged when it is dialled, after names are resolved, and again for each of at
// most five redirects, so that no name can change its mind in between. No proxy of the environment is used, which
// would dial in our place. User and password in the URL are sent to its host, and neither logged nor answered.
package fetch
