internal import CMuJoCo

/// A world that was read and has what the robot needs.
@safe final class SimWorld {
    let path: String
    let model: OpaquePointer
    let rover: SimRoverParts
    let dog: SimDogParts?
    let ringMaterials: [Int32]
    /// Where charging is, where the rover stands at first.
    let dock: Int32?
    let start: Int32?
    let roomCamera: Int32
    let frontCamera: Int32

    /// Groups of geoms: the rover's looks, and what it touches with. Neither is seen by the range finder; the second is not drawn.
    static let roverLook: Int32 = 2
    static let roverTouch: Int32 = 4

    convenience init(path: String) throws(SimError) {
        let (model, reason) = unsafe SimFiles.message { unsafe waldo_model_load(path, $0, $1) }
        guard let model = unsafe model else { throw .world(.unreadable(path: path, reason: reason)) }
        try unsafe self.init(path: path, takingOwnershipOf: model)
    }

    /// For another thread.
    convenience init(copying other: SimWorld) throws(SimError) {
        guard let model = unsafe waldo_model_copy(other.model) else { throw .physics("no memory for a second copy of \(other.path)") }
        try unsafe self.init(path: other.path, takingOwnershipOf: model)
    }

    private init(path: String, takingOwnershipOf model: OpaquePointer) throws(SimError) {
        self.path = path
        let finder = unsafe SimFinder(path: path, model: model)
        do throws(SimWorldError) {
            rover = try SimRoverParts(finder)
            frontCamera = try finder.need(.camera, "front", "the eye that people drive by")
            roomCamera = try finder.need(.camera, "room", "a view of the whole room")
            dog = try SimDogParts(finder)
        } catch {
            unsafe waldo_model_free(model)
            throw .world(error)
        }
        unsafe self.model = model
        ringMaterials = ["ring", "glow"].compactMap { finder.find(.material, $0) }
        dock = finder.find(.site, "dock")
        start = finder.find(.site, "start")
        markRover()
    }

    deinit { unsafe waldo_model_free(model) }

    /// By name.
    var freeBodies: [String: Int] {
        var places = ["rover": rover.free.position]
        for (index, treat) in rover.treats.enumerated() { places["treat_\(index)"] = treat.position }
        return places
    }

    var timestep: Double { unsafe waldo_timestep(model) }

    private func markRover() {
        for geom in 0..<(unsafe waldo_count(model, Int32(WALDO_GEOM.rawValue))) {
            guard unsafe waldo_body_root(model, waldo_geom_body(model, geom)) == rover.body else { continue }
            unsafe waldo_geom_regroup(model, geom, waldo_geom_group(model, geom) <= 2 ? Self.roverLook : Self.roverTouch)
        }
    }
}

/// Looks things up by name.
@safe struct SimFinder {
    let path: String
    let model: OpaquePointer

    enum Kind: String {
        case body, joint, geom, site, camera, material, actuator, sensor

        var code: Int32 {
            switch self {
            case .body: Int32(WALDO_BODY.rawValue)
            case .joint: Int32(WALDO_JOINT.rawValue)
            case .geom: Int32(WALDO_GEOM.rawValue)
            case .site: Int32(WALDO_SITE.rawValue)
            case .camera: Int32(WALDO_CAMERA.rawValue)
            case .material: Int32(WALDO_MATERIAL.rawValue)
            case .actuator: Int32(WALDO_ACTUATOR.rawValue)
            case .sensor: Int32(WALDO_SENSOR.rawValue)
            }
        }
    }

    func find(_ kind: Kind, _ name: String) -> Int32? {
        let found = unsafe waldo_find(model, kind.code, name)
        return found >= 0 ? found : nil
    }

    func need(_ kind: Kind, _ name: String, _ purpose: String) throws(SimWorldError) -> Int32 {
        guard let found = find(kind, name) else { throw .missing(path: path, kind: kind.rawValue, name: name, purpose: purpose) }
        return found
    }

    /// The place of a hinge's angle among the positions.
    func hinge(_ name: String, _ purpose: String) throws(SimWorldError) -> (joint: Int32, position: Int) {
        let joint = try need(.joint, name, purpose)
        guard unsafe waldo_joint_kind(model, joint) == Int32(WALDO_HINGE.rawValue) else {
            throw .unfit(path: path, subject: "joint \(name)", expected: "a hinge", got: "another type")
        }
        return (joint, Int(unsafe waldo_joint_position(model, joint)))
    }

    func control(_ name: String, _ purpose: String) throws(SimWorldError) -> (control: Int, output: Int) {
        let actuator = try need(.actuator, name, purpose)
        return (Int(unsafe waldo_actuator_control(model, actuator)), Int(unsafe waldo_actuator_output(model, actuator)))
    }

    func sensor(_ name: String, _ purpose: String) throws(SimWorldError) -> Int {
        let sensor = try need(.sensor, name, purpose)
        let size = unsafe waldo_sensor_size(model, sensor)
        guard size == 3 else { throw .unfit(path: path, subject: "sensor \(name)", expected: "3 numbers", got: "\(size)") }
        return Int(unsafe waldo_sensor_address(model, sensor))
    }

    /// A body with a free joint: where its position and its velocity begin.
    func free(_ name: String, _ purpose: String) throws(SimWorldError) -> SimFreeBody {
        let body = try need(.body, name, purpose)
        let joint = unsafe waldo_body_joint(model, body)
        guard joint >= 0, unsafe waldo_joint_kind(model, joint) == Int32(WALDO_FREE.rawValue) else {
            throw .unfit(
                path: path, subject: "body \(name)", expected: "a <freejoint/> as its first joint", got: joint < 0 ? "no joint" : "another")
        }
        return SimFreeBody(
            body: body, position: Int(unsafe waldo_joint_position(model, joint)), velocity: Int(unsafe waldo_joint_velocity(model, joint)))
    }
}

struct SimFreeBody {
    let body: Int32
    let position: Int
    let velocity: Int
}

/// The rover in a world.
struct SimRoverParts {
    let body: Int32
    let free: SimFreeBody
    /// Joints and places of the wheels' angles, left and right.
    let wheels: [(joint: Int32, position: Int)]
    /// m
    let wheelRadius: Double
    let motors: [(control: Int, output: Int)]
    let wheelVelocities: [Int]
    let pan: (angle: Int, control: Int)
    let tilt: (angle: Int, control: Int)
    let range: Int32
    let dispenser: Int32?
    let treats: [SimFreeBody]
    let treatGeoms: [[Int32]]
    let accelerometer: Int
    let gyro: Int
    let velocimeter: Int

    init(_ finder: SimFinder) throws(SimWorldError) {
        free = try finder.free("rover", "the robot")
        body = free.body
        let left = try finder.hinge("left_wheel", "the left driven wheel"),
            right = try finder.hinge("right_wheel", "the right driven wheel")
        wheels = [left, right]
        let rim = try finder.need(.geom, "left_wheel", "the left tyre, whose first size is the wheel's radius")
        wheelRadius = unsafe waldo_geom_size(finder.model, rim)
        motors = [
            try finder.control("left_wheel", "the left motor: a velocity actuator, rad/s"),
            try finder.control("right_wheel", "the right motor: a velocity actuator, rad/s"),
        ]
        wheelVelocities = [left, right].map { Int(unsafe waldo_joint_velocity(finder.model, $0.joint)) }
        pan = (try finder.hinge("pan", "turns the camera left").position, try finder.control("pan", "a position actuator, rad").control)
        tilt = (try finder.hinge("tilt", "turns the camera up").position, try finder.control("tilt", "a position actuator, rad").control)
        range = try finder.need(.site, "range", "where the range finder's rays begin")
        accelerometer = try finder.sensor("accelerometer", "an accelerometer in the body's frame")
        gyro = try finder.sensor("gyro", "a gyro in the body's frame")
        velocimeter = try finder.sensor("velocimeter", "a velocimeter in the body's frame")
        dispenser = finder.find(.site, "dispenser")
        var treats: [SimFreeBody] = []
        while finder.find(.body, "treat_\(treats.count)") != nil { treats.append(try finder.free("treat_\(treats.count)", "a treat")) }
        self.treats = treats
        let geoms = unsafe waldo_count(finder.model, Int32(WALDO_GEOM.rawValue))
        treatGeoms = treats.map { treat in (0..<geoms).filter { unsafe waldo_geom_body(finder.model, $0) == treat.body } }
    }
}

/// The dog in a world, where there is one.
struct SimDogParts {
    let mocap: Int
    /// m: where it goes, one after another.
    let path: [Int32]
    let legs: [Int]
    let head: Int?
    let nod: Int?
    let tail: Int?

    init?(_ finder: SimFinder) throws(SimWorldError) {
        guard let body = finder.find(.body, "dog") else { return nil }
        let mocap = unsafe waldo_body_mocap(finder.model, body)
        guard mocap >= 0 else {
            throw .unfit(path: finder.path, subject: "body dog", expected: "mocap=\"true\"", got: "a body that moves by itself")
        }
        self.mocap = Int(mocap)
        var path: [Int32] = []
        while let site = finder.find(.site, "dog_path_\(path.count)") { path.append(site) }
        guard path.count >= 2 else {
            throw .missing(
                path: finder.path, kind: "site", name: "dog_path_\(path.count)", purpose: "at least two places for the dog to walk between")
        }
        self.path = path
        func control(_ name: String) -> Int? {
            finder.find(.actuator, name).map { Int(unsafe waldo_actuator_control(finder.model, $0)) }
        }
        legs = (0..<4).compactMap { control("dog_leg_\($0)") }
        (head, nod, tail) = (control("dog_head"), control("dog_nod"), control("dog_tail"))
    }
}
