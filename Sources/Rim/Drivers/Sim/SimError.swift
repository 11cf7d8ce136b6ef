/// Why the simulated robot cannot be had: for people, with what to do.
public enum SimError: Error, Sendable, Hashable, CustomStringConvertible {
    /// MuJoCo's library is not where it was looked for.
    case noPhysics(looked: [String])
    /// It is there and cannot be used.
    case physics(String)
    /// There is no EGL or OpenGL.
    case noGraphics(String)
    /// It is there and cannot be used.
    case graphics(String)
    case world(SimWorldError)
    case thread(code: Int32)

    public var description: String {
        switch self {
        case .noPhysics(let looked):
            "simulator: MuJoCo was not found; looked for \(looked.joined(separator: ", ")). Run scripts/setup, which fetches it, or name the "
                + "library in WALDO_MUJOCO."
        case .physics(let reason):
            "simulator: MuJoCo cannot be used: \(reason). Remove .build-deps/mujoco and run scripts/setup, which fetches the right one."
        case .noGraphics(let reason):
            "simulator: no OpenGL to draw the cameras' pictures with: \(reason). Install the Debian packages libegl1 and libgl1-mesa-dri."
        case .graphics(let reason):
            "simulator: OpenGL refused: \(reason). The Debian package libgl1-mesa-dri draws on any machine; on one with a graphics card check its driver."
        case .world(let error): error.description
        case .thread(let code): "simulator: the system refused a thread (error \(code)): check its limits (ulimit -u)."
        }
    }
}

/// What is wrong with a world's file.
public enum SimWorldError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Not there, or not MJCF: MuJoCo's own reason, with the line.
    case unreadable(path: String, reason: String)
    /// Something that the robot needs is not in it.
    case missing(path: String, kind: String, name: String, purpose: String)
    /// It is there and is something else.
    case unfit(path: String, subject: String, expected: String, got: String)

    public var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "world \(path): expected an MJCF file that MuJoCo can load: \(reason)"
        case .missing(let path, let kind, let name, let purpose):
            "world \(path): expected a \(kind) named \(name) (\(purpose)), found none. Include worlds/rover.xml or add it; worlds/README.md lists "
                + "what a world must hold."
        case .unfit(let path, let subject, let expected, let got):
            "world \(path): \(subject): expected \(expected), got \(got). worlds/README.md says what a world must hold."
        }
    }
}
