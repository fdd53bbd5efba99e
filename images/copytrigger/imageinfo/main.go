// Command imageinfo prints the digests and sizes of an image archive.
package main

import (
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/copytrigger/copytrigger/images"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: imageinfo ARCHIVE")
		os.Exit(2)
	}
	if err := print(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "imageinfo:", err)
		os.Exit(1)
	}
}

func print(archive string) error {
	dir, err := os.MkdirTemp("", "imageinfo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	index, err := images.Open(archive, dir)
	if err != nil {
		return err
	}
	stat, err := os.Stat(archive)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%-12s %s  archive %.2f MB\n", "index", digest, mb(stat.Size()))
	m, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, desc := range m.Manifests {
		img, err := index.Image(desc.Digest)
		if err != nil {
			return err
		}
		if err := printImage(desc, img); err != nil {
			return err
		}
	}
	return nil
}

func printImage(desc v1.Descriptor, img v1.Image) error {
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	var compressed int64
	for _, layer := range m.Layers {
		compressed += layer.Size
	}
	files, err := images.Files(img)
	if err != nil {
		return err
	}
	fmt.Printf("%-12s %s  compressed %.2f MB", desc.Platform, desc.Digest, mb(compressed))
	for _, f := range files {
		if len(f.Content) > 0 {
			fmt.Printf(", /%s %.2f MB", f.Name, mb(f.Size))
		}
	}
	fmt.Println()
	return nil
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }
