package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"text/template"
	"time"
)

// nginx is a server of its own that passes one device's display on, as the runner does.
type nginx struct {
	*child
	way *way
}

// nginxConf keeps everything in the lab, and lets no header of the client's that is none of the operator's business
// through. One process: its end is the end of all.
var nginxConf = template.Must(template.New("nginx.conf").Parse(`daemon off;
master_process off;
pid {{.Dir}}/nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path {{.Dir}}/nginx-body;
	proxy_temp_path {{.Dir}}/nginx-proxy;
	fastcgi_temp_path {{.Dir}}/nginx-fastcgi;
	uwsgi_temp_path {{.Dir}}/nginx-uwsgi;
	scgi_temp_path {{.Dir}}/nginx-scgi;
	tcp_nodelay on;
	keepalive_requests 1000000;
	upstream operator {
		server {{.Operator.Addr}};
		keepalive 16;
		keepalive_requests 1000000;
	}
	proxy_http_version 1.1;
	server {
		listen {{.Listen}};
		location = / {
			proxy_set_header Connection "";
			proxy_set_header Authorization "";
			proxy_set_header Cookie "";
			proxy_pass http://operator{{.Operator.Page}};
		}
		location / {
			proxy_set_header Connection "";
			proxy_set_header Authorization "";
			proxy_set_header Cookie "";
			proxy_pass http://operator/devices/{{.ID}}/files/;
		}
		location = {{.Operator.Signalling}} {
			proxy_set_header Connection upgrade;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Authorization "";
			proxy_set_header Cookie "";
			proxy_read_timeout 75s;
			proxy_pass http://operator;
		}
	}
}
`))

// nginxPath finds the program, which only root has on PATH.
func nginxPath() (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", absentError{"nginx is not installed; what it adds is missing beside ours"}
}

// startNginx starts it between a free port and the operator. The caller stops it. An absentError where it is not
// installed.
func (l *lab) startNginx(ctx context.Context, d device, operator *way) (*nginx, error) {
	program, err := nginxPath()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	var conf strings.Builder
	if err := nginxConf.Execute(&conf, map[string]any{
		"Dir": l.dir, "Listen": addr, "ID": d.ID,
		"Operator": map[string]string{"Addr": operator.addr, "Page": operator.page, "Signalling": operator.signalling},
	}); err != nil {
		return nil, err
	}
	if err := os.WriteFile(l.path("nginx.conf"), []byte(conf.String()), 0o600); err != nil {
		return nil, err
	}
	c, err := startChild(ctx, l.path("nginx.log"), os.Environ(), program, "-e", "stderr", "-c", l.path("nginx.conf"))
	if err != nil {
		return nil, err
	}
	if err := awaitAnswer(ctx, c, addr); err != nil {
		return nil, errors.Join(err, c.stop(5*time.Second))
	}
	return &nginx{c, &way{name: "nginx", addr: addr, page: "/", signalling: operator.signalling}}, nil
}
