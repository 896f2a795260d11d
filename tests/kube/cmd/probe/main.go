// Command probe is what the checks of the test cluster run in pods: an image without a shell needs
// its few tools in one program. Without arguments it serves HTTP at :8080.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const usage = "usage: probe [lookup NAME | get URL | write FILE TEXT | read FILE | size FOLDER]"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	command := ""
	if len(arguments) > 0 {
		command, arguments = arguments[0], arguments[1:]
	}
	switch {
	case command == "" || command == "serve":
		return serve()
	case command == "lookup" && len(arguments) == 1:
		addresses, err := net.LookupHost(arguments[0])
		for _, address := range addresses {
			fmt.Println(address)
		}
		return err
	case command == "get" && len(arguments) == 1:
		return get(arguments[0])
	case command == "write" && len(arguments) == 2:
		return write(arguments[0], arguments[1])
	case command == "read" && len(arguments) == 1:
		text, err := os.ReadFile(arguments[0])
		fmt.Println(string(text))
		return err
	case command == "size" && len(arguments) == 1:
		var stat syscall.Statfs_t
		if err := syscall.Statfs(arguments[0], &stat); err != nil {
			return err
		}
		fmt.Println(stat.Blocks * uint64(stat.Bsize) >> 20)
		return nil
	}
	return errors.New(usage)
}

func serve() error {
	host, _ := os.Hostname()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s on %s\n", host, os.Getenv("NODE"))
	})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		os.Exit(0)
	}()
	server := http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

func get(url string) error {
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

// write returns when the file and its name are on the disk.
func write(path, text string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
