package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// A disk is a sparse file PLACE.img with an XFS, mounted at PLACE. XFS, since ext4 grows while it is
// mounted only with a right (CAP_SYS_RESOURCE) that containers and small machines often lack.

// Below this, mkfs.xfs wants to be asked twice.
const smallestSupported = 300 << 20

func makeDisk(ctx context.Context, place string, size int64) error {
	image := place + ".img"
	if err := os.MkdirAll(place, 0o755); err != nil {
		return err
	}
	if !hasDisk(place) {
		if err := format(ctx, image, size); err != nil {
			return err
		}
	}
	if mountSource(place) != "" {
		return nil
	}
	return tool(ctx, "mount", "-o", "loop", image, place)
}

// format makes the file under another name: an interrupted one is made again.
func format(ctx context.Context, image string, size int64) error {
	draft := image + ".new"
	file, err := os.Create(draft)
	if err != nil {
		return err
	}
	err = file.Truncate(size)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	arguments := []string{"-q", draft}
	if size < smallestSupported {
		arguments = append([]string{"--unsupported"}, arguments...)
	}
	if err := tool(ctx, "mkfs.xfs", arguments...); err != nil {
		return err
	}
	return os.Rename(draft, image)
}

func growDisk(ctx context.Context, place string, size int64) error {
	device := mountSource(place)
	if device == "" {
		return fmt.Errorf("%s is not mounted: its node is off", place)
	}
	image := place + ".img"
	info, err := os.Stat(image)
	if err != nil {
		return err
	}
	if info.Size() < size {
		if err := os.Truncate(image, size); err != nil {
			return err
		}
	}
	if err := tool(ctx, "losetup", "--set-capacity", device); err != nil {
		return err
	}
	return tool(ctx, "xfs_growfs", place)
}

func deleteDisk(ctx context.Context, place string) error {
	if mountSource(place) != "" {
		if err := tool(ctx, "umount", "--no-canonicalize", place); err != nil {
			return err
		}
	}
	if err := os.Remove(place); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Remove(place + ".img")
}

func hasDisk(place string) bool {
	_, err := os.Stat(place + ".img")
	return err == nil
}

// mountSource returns the device that is mounted at the place, or nothing.
func mountSource(place string) string {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	source := ""
	for line := range strings.SplitSeq(string(table), "\n") {
		mount, filesystem, found := strings.Cut(line, " - ")
		if fields := strings.Fields(mount); !found || len(fields) < 5 || fields[4] != place {
			continue
		}
		if fields := strings.Fields(filesystem); len(fields) >= 2 {
			source = fields[1]
		}
	}
	return source
}

func tool(ctx context.Context, name string, arguments ...string) error {
	output, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(arguments, " "), err, strconv.Quote(string(output)))
	}
	return nil
}
