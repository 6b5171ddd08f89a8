// The least a hub can do, in Go's standard library: one goroutine and one channel a client. What ours is compared with.
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
)

var (
	mutex   sync.RWMutex
	clients = map[chan []byte]struct{}{}
	view    = map[string]any{"task": "noop", "state": "pending", "version": 1, "revision": 0, "attempt": 1, "max_attempts": 5,
		"payload": map[string]string{"text": strings.Repeat("x", 150)}, "result": nil, "error": nil, "progress": nil, "tags": []string{},
		"batch": nil, "reason": nil}
)

func publish(w http.ResponseWriter, _ *http.Request) {
	job := map[string]any{"id": rand.Text()}
	for name, value := range view {
		job[name] = value
	}
	data, _ := json.Marshal(job)
	frame := []byte("event: job\ndata: " + string(data) + "\n\n")
	mutex.RLock()
	for client := range clients {
		client <- frame
	}
	mutex.RUnlock()
	w.WriteHeader(202)
	fmt.Fprintf(w, `{"id":%q}`, job["id"])
}

func subscribe(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flusher, me := w.(http.Flusher), make(chan []byte, 1024)
	mutex.Lock()
	clients[me] = struct{}{}
	mutex.Unlock()
	defer func() { mutex.Lock(); delete(clients, me); mutex.Unlock() }()
	flusher.Flush()
	for {
		select {
		case frame := <-me:
			w.Write(frame)
			for n := len(me); n > 0; n-- {
				w.Write(<-me)
			}
			flusher.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func main() {
	http.HandleFunc("POST /jobs", publish)
	http.HandleFunc("GET /events", subscribe)
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
