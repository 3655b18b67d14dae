//! Why a change of the routes is refused: error number and the sentence of the extended acknowledgement.

crate::refusal::refusals! {
    /// Why a route or a rule is refused, as Linux 6.18 refuses it.
    enum RouteError {
        /// A route with this prefix, tos and metric (and, unless `add`, the same content) exists.
        Exists = EEXIST;
        /// `change` of a route that does not exist; deletion of a rule that does not exist.
        NotFound = ENOENT;
        /// Deletion of a route that does not exist.
        NoSuchRoute = ESRCH;
        /// Deletion from a table that does not exist.
        NoSuchTable = ESRCH "FIB table does not exist";
        /// Host bits are set in the destination.
        HostBits = EINVAL "Invalid prefix for given prefix length";
        /// The ECN bits are set in the type of service.
        EcnBits = EINVAL "Invalid dsfield (tos): ECN bits must be 0";
        /// The scope does not fit the type, or is none that a route can have.
        InvalidScope = EINVAL "Invalid scope";
        /// No route can be of this type.
        InvalidType = EINVAL "Invalid route type";
        /// A route that refuses has a next hop.
        UnwantedNexthop = EINVAL "Gateway, device and multipath can not be specified for this route type";
        /// A route to this host has several next hops.
        HostScopeMultipath = EINVAL "Route with host scope can not have multiple nexthops";
        /// A route to this host has a gateway.
        HostScopeGateway = EINVAL "Route with host scope can not have a gateway";
        /// `dead` or `linkdown` was given for a route.
        StateFlags = EINVAL "Invalid rtm_flags - can not contain DEAD or LINKDOWN";
        /// `onlink` without a gateway.
        OnlinkWithoutGateway = EINVAL "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set";
        /// `onlink` with a scope of link or nearer.
        InvalidNexthopScope = EINVAL "Nexthop has invalid scope";
        /// `onlink` without a link.
        OnlinkWithoutDevice = ENODEV "Nexthop device required for onlink";
        /// The link of an `onlink` next hop is down.
        OnlinkDeviceDown = ENETDOWN "Nexthop device is not up";
        /// The gateway is a broadcast, multicast or (`onlink`) local address.
        InvalidGateway = EINVAL "Nexthop has invalid gateway";
        /// No route leads to the gateway.
        UnreachableGateway = ENETUNREACH "Nexthop has invalid gateway";
        /// The route to the gateway has no link.
        NoEgress = EINVAL "No egress device for nexthop gateway";
        /// The link of a next hop without gateway is down.
        DeviceDown = ENETDOWN "Device for nexthop is not up";
        /// The link to the gateway is down.
        GatewayDeviceDown = ENETDOWN;
        /// Neither gateway nor link, or the link does not exist.
        NoDevice = ENODEV;
        /// The preferred source is not an address of this namespace.
        InvalidPrefsrc = EINVAL "Invalid prefsrc address";
        /// A route needs at least one next hop.
        NoNexthop = EINVAL;
        /// `goto` to a rule that comes before it.
        BackwardGoto = EINVAL "Backward goto not supported";
        /// A rule without a table, or with table 0.
        RuleWithoutTable = EINVAL;
    }
}
