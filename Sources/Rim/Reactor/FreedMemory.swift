internal import CLinux

/// Gives freed memory back to the system: the C library keeps it, however much it is, behind anything that is still in use. Some milliseconds.
public func giveBackFreedMemory() { _ = malloc_trim(0) }
