//! Endpoints: the pods behind each service, those that are ready and those that are not.

use super::has_all;
use super::workers::Workqueue;
use crate::control::kubernetes::api::{Key, Obj, Part, Tag, Verb, pod};
use crate::control::kubernetes::control::Ctx;
use crate::control::kubernetes::formulas::in_endpoints;
use crate::control::kubernetes::objects::{Endpoint, Endpoints, Kind, Meta, Object, Service};
use std::rc::Rc;

/// One look at a service.
pub(super) fn sync(key: &Key, object: &Obj, queue: &mut Workqueue, ctx: &mut Ctx<'_, '_>) {
    let Object::Service(service) = &**object else { return };
    let Some(selector) = &service.selector else { return };
    let (mut ready, mut not_ready) = (Vec::new(), Vec::new());
    for one in ctx.link.cache.of(Kind::Pod).filter_map(pod) {
        let chosen = one.meta.namespace == service.meta.namespace && has_all(&one.meta.labels, selector);
        let (status, goes) = (&one.status, one.meta.deleting());
        let there = in_endpoints(status.has_ip, goes, service.publish_not_ready, status.phase, one.spec.restart);
        let Some(node) = one.node.clone().filter(|_| chosen && there) else { continue };
        let endpoint = Endpoint { pod: Rc::clone(&one.meta.name), uid: one.meta.uid, node };
        if one.status.ready.holds() || service.publish_not_ready {
            ready.push(endpoint);
        } else {
            not_ready.push(endpoint);
        }
    }
    put(key, object, service, (ready, not_ready), queue, ctx);
}

fn put(
    key: &Key,
    object: &Obj,
    service: &Service,
    (ready, not_ready): (Vec<Endpoint>, Vec<Endpoint>),
    queue: &mut Workqueue,
    ctx: &mut Ctx<'_, '_>,
) {
    // The service's own number stands for that of its endpoints, which are written for it.
    let uid = service.meta.uid;
    if queue.is_writing(uid) {
        return;
    }
    let known = ctx.link.cache.get(&key.beside(Kind::Endpoints, &key.name)).cloned();
    let verb = match known {
        None => {
            let meta = Meta { labels: object.meta().labels.clone(), ..Meta::new(&key.namespace, &key.name) };
            Verb::Create(Obj::new(Endpoints { meta, ready, not_ready }))
        }
        Some(known) => {
            let changed = known.with(|object| {
                if let Object::Endpoints(endpoints) = object {
                    let endpoints = Rc::make_mut(endpoints);
                    (endpoints.ready, endpoints.not_ready) = (ready, not_ready);
                }
            });
            if changed == known {
                return;
            }
            Verb::Update(changed, Part::Status)
        }
    };
    queue.writes(uid, key.clone());
    ctx.call(Tag::Write(uid), verb);
}

/// The service is gone, and so are its endpoints.
pub(super) fn remove(key: &Key, ctx: &mut Ctx<'_, '_>) {
    let key = key.beside(Kind::Endpoints, &key.name);
    if let Some(uid) = ctx.link.cache.get(&key).map(|object| object.meta().uid) {
        ctx.call(Tag::Nothing, Verb::Remove(key, uid));
    }
}
