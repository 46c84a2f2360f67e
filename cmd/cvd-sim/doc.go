// Command cvd-sim is a small Cuttlefish host in processes: one binary with the faces of the programs of
// such a host. The face is the name that it is called by, else its first argument.
//
//	cvd-sim host [--root DIR] [--version 1.40.0] [--boot-time 2s] [--keep] [--time-scale 1]
//	             [--operator-version 1.55.2] [--operator-tls] -- COMMAND…
//	cvd-sim inject [--root DIR] add --fault FAULT [--command C] [--group G] [--instance N] [--nth N] [--times N]
//	cvd-sim inject [--root DIR] list | clear [ID]
//	cvd-sim operator [--root DIR]
//	cvd-sim reboot [--root DIR]
//	cvd-sim daytona [--listen 127.0.0.1:3000] [--token T] [--user-key K] [--time-scale 1] [--proxy-url URL] [--proxy-key K]
//	cvd-sim proxy [--listen 127.0.0.1:4000] [--api http://127.0.0.1:3000/api] [--key K] [--fault F]…
//	cvd-sim apk [--package P] [--version-code N] [--label L] [--size 50M] [--split NAME] [--key K] [--crash] … OUT.apk
//	cvd …, crosvm …, run_cvd, …: the programs of the host, normally through links below its root
//
// docs/simulator.md describes what it simulates and what not.
package main
