// Hashzips prints the h1 hash of each zip file named on its input, then the CPU seconds that hashing took.
package main

import (
	"bufio"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/dirhash"
)

func main() {
	var files []string
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		files = append(files, in.Text())
	}
	before := cpu()
	hashes := make([]string, len(files))
	for i, file := range files {
		hash, err := dirhash.HashZip(file, dirhash.Hash1)
		if err != nil {
			fmt.Fprintln(os.Stderr, file, err)
			os.Exit(1)
		}
		hashes[i] = hash
	}
	spent := cpu() - before
	for _, hash := range hashes {
		fmt.Println(hash)
	}
	fmt.Println(spent.Seconds())
}

// cpu is the time that all threads of the process have run, in user and kernel mode.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
