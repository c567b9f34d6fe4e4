//! Groups of machines by role, in systems that had options for it before: both say the same.

use crate::support::piped;

fn digest(system: &str, cluster: &str, options: &str) -> String {
    let text = format!(
        "[scenario]\nname = \"x\"\nsystem = \"{system}\"\nduration = \"3s\"\n[system]\n{options}\n[cluster]\n{cluster}\n\
         [[workload]]\nclients = 4\nrate = \"200/s\"\n\
         [[fault]]\nkind = \"crash\"\ntarget = \"random\"\nat = \"1s\"\nduration = \"1s\"\n"
    );
    let ran = piped(&text, &["run", "-", "--format", "json"]);
    assert!(ran.status.success(), "{}{}", ran.stdout, ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    report["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn a_group_is_the_same_as_the_option() {
    for (system, option, others, first) in
        [("balancing", "balancers", "server", "balancer"), ("hashing", "routers", "store", "router")]
    {
        let groups = format!(
            "[[cluster.group]]\nrole = \"{first}\"\nnodes = 2\n[[cluster.group]]\nrole = \"{others}\"\nnodes = 4"
        );
        let by_option = digest(system, "nodes = 6", &format!("{option} = 2"));
        assert_eq!(digest(system, &groups, ""), by_option, "{system}");
        assert_ne!(digest(system, "nodes = 6", &format!("{option} = 3")), by_option, "{system}: it says something");
        let wrong = |text: &str, options: &str| {
            let text = format!(
                "[scenario]\nname = \"x\"\nsystem = \"{system}\"\nduration = \"3s\"\n[system]\n{options}\n{text}"
            );
            piped(&text, &["check", "-"]).stderr
        };
        let both = wrong(&groups, &format!("{option} = 3"));
        assert!(both.contains(&format!("3 {option}, but 2 in the group")), "{both}");
        let late = format!(
            "[[cluster.group]]\nrole = \"{others}\"\nnodes = 4\n[[cluster.group]]\nrole = \"{first}\"\nnodes = 2"
        );
        let late = wrong(&late, "");
        assert!(late.contains(&format!("the {option} begin with n5")), "{late}");
    }
}
