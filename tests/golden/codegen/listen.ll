source_filename = "syscast"
target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpf"

@"events" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !17
@"control" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !46
@"ledger" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !60
@"raised" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !69
@"scratch" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !78
@syscast_config = dso_local externally_initialized constant [64 x i8] c"\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00", section ".rodata", align 8, !dbg !82
@_license = dso_local global [4 x i8] c"GPL\00", section "license"
@_syscast = dso_local constant [4 x i8] c"meta", section ".syscast", align 1
@"llvm.21:0:8$0:0" = external global i64, !llvm.preserve.access.index !96 #1
@"llvm.19:0:8$0:0" = external global i64, !llvm.preserve.access.index !100 #1
@"llvm.bpf_func_id:10:1$1" = external global i64, !llvm.preserve.access.index !104 #1
@"llvm.bpf_func_id:10:1$0" = external global i64, !llvm.preserve.access.index !104 #1
define i32 @"probe"(ptr %ctx) #0 section "fentry/inet_listen" !dbg !87 {
start:
  %s0 = alloca ptr, align 8
  %s1 = alloca i32, align 8
  %s2 = alloca ptr, align 8
  %s3 = alloca i64, align 8
  %s4 = alloca i64, align 8
  %s5 = alloca i64, align 8
  %s6 = alloca i64, align 8
  %s7 = alloca i32, align 8
  br label %"arguments"
"arguments":
  %r72 = bitcast ptr %ctx to ptr, !dbg !90
  %r0 = load ptr, ptr %r72, align 8, !dbg !90
  %t1 = getelementptr i8, ptr %r72, i64 8, !dbg !90
  %r73 = load i32, ptr %t1, align 4, !dbg !90
  br label %"task", !dbg !90
"task":
  %r71 = call i64 inttoptr (i64 14 to ptr)(), !dbg !91
  store i64 %r71, ptr %s3, !dbg !91
  br label %"ledger", !dbg !91
"ledger":
  store i32 0, ptr %s1, !dbg !90
  %r59 = bitcast ptr @"ledger" to ptr, !dbg !90
  %r60 = bitcast ptr %s1 to ptr, !dbg !90
  %r61 = call ptr inttoptr (i64 1 to ptr)(ptr %r59, ptr %r60), !dbg !90
  %r62 = icmp eq ptr %r61, null, !dbg !90
  br i1 %r62, label %"no_row", label %"ran", !dbg !90
"ran":
  store ptr %r61, ptr %s2, !dbg !90
  store i64 0, ptr %s6, !dbg !90
  %r63 = load ptr, ptr %s2, !dbg !90
  %r64 = load i64, ptr %r63, align 8, !dbg !90
  %r65 = add i64 %r64, 1, !dbg !90
  store i64 %r65, ptr %r63, align 8, !dbg !90
  br label %"entry", !dbg !90
"no_row":
  ret i32 0, !dbg !90
"entry":
  %r1 = sext i32 %r73 to i64, !dbg !92
  %r74 = icmp eq ptr %r0, null, !dbg !93
  br i1 %r74, label %"raise0", label %"ok", !dbg !93
"ok":
  %t2 = load i64, ptr @"llvm.21:0:8$0:0", !dbg !93
  %t3 = getelementptr i8, ptr %r0, i64 %t2, !dbg !93
  %t4 = call ptr @llvm.bpf.passthrough.p0.p0(i32 1, ptr %t3), !dbg !93
  %r2 = load ptr, ptr %t4, align 8, !dbg !93
  %r75 = icmp eq ptr %r2, null, !dbg !93
  br i1 %r75, label %"raise0", label %"ok.1", !dbg !93
"ok.1":
  %t5 = load i64, ptr @"llvm.19:0:8$0:0", !dbg !93
  %t6 = getelementptr i8, ptr %r2, i64 %t5, !dbg !93
  %t7 = call ptr @llvm.bpf.passthrough.p0.p0(i32 2, ptr %t6), !dbg !93
  %r3 = load i16, ptr %t7, align 2, !dbg !93
  %t8 = load i64, ptr @"llvm.bpf_func_id:10:1$1", !dbg !91
  %t9 = call i64 @llvm.bpf.passthrough.i64.i64(i32 3, i64 %t8), !dbg !91
  %r4 = icmp ne i64 %t9, 0, !dbg !91
  br i1 %r4, label %"ring", label %"staged", !dbg !91
"ring":
  %r5 = bitcast ptr @"events" to ptr, !dbg !91
  %r6 = call ptr inttoptr (i64 131 to ptr)(ptr %r5, i64 72, i64 0), !dbg !91
  store ptr %r6, ptr %s0, !dbg !91
  br label %"record", !dbg !91
"staged":
  store i32 0, ptr %s1, !dbg !91
  %r7 = bitcast ptr @"scratch" to ptr, !dbg !91
  %r8 = bitcast ptr %s1 to ptr, !dbg !91
  %r9 = call ptr inttoptr (i64 1 to ptr)(ptr %r7, ptr %r8), !dbg !91
  %r10 = bitcast ptr %r9 to ptr, !dbg !91
  store ptr %r10, ptr %s0, !dbg !91
  br label %"record", !dbg !91
"record":
  %r11 = load ptr, ptr %s0, !dbg !91
  %r12 = icmp eq ptr %r11, null, !dbg !91
  br i1 %r12, label %"full", label %"fill", !dbg !91
"fill":
  %t10 = getelementptr i8, ptr %r11, i64 56, !dbg !91
  store i16 %r3, ptr %t10, align 2, !dbg !91
  %t11 = getelementptr i8, ptr %r11, i64 58, !dbg !91
  store i16 0, ptr %t11, align 2, !dbg !91
  %t12 = getelementptr i8, ptr %r11, i64 60, !dbg !91
  store i32 0, ptr %t12, align 4, !dbg !91
  %t13 = getelementptr i8, ptr %r11, i64 64, !dbg !91
  store i64 %r1, ptr %t13, align 8, !dbg !91
  %r13 = load ptr, ptr %s2, !dbg !91
  %t14 = getelementptr i8, ptr %r13, i64 24, !dbg !91
  %r14 = load i64, ptr %t14, align 8, !dbg !91
  %r15 = add i64 %r14, 1, !dbg !91
  %t15 = getelementptr i8, ptr %r13, i64 24, !dbg !91
  store i64 %r15, ptr %t15, align 8, !dbg !91
  %t16 = getelementptr i8, ptr %r11, i64 8, !dbg !91
  store i64 %r14, ptr %t16, align 8, !dbg !91
  %r16 = load i64, ptr %s3, !dbg !91
  %r17 = lshr i64 %r16, 32, !dbg !91
  %r18 = trunc i64 %r17 to i32, !dbg !91
  %t17 = getelementptr i8, ptr %r11, i64 24, !dbg !91
  store i32 %r18, ptr %t17, align 4, !dbg !91
  %r19 = trunc i64 %r16 to i32, !dbg !91
  %t18 = getelementptr i8, ptr %r11, i64 28, !dbg !91
  store i32 %r19, ptr %t18, align 4, !dbg !91
  %t19 = getelementptr i8, ptr %r11, i64 32, !dbg !91
  store i16 1, ptr %t19, align 2, !dbg !91
  %t20 = getelementptr i8, ptr %r11, i64 34, !dbg !91
  store i16 0, ptr %t20, align 2, !dbg !91
  %t21 = load i64, ptr @"llvm.bpf_func_id:10:1$0", !dbg !91
  %t22 = call i64 @llvm.bpf.passthrough.i64.i64(i32 4, i64 %t21), !dbg !91
  %r20 = icmp ne i64 %t22, 0, !dbg !91
  br i1 %r20, label %"boot", label %"monotonic", !dbg !91
"boot":
  %r21 = call i64 inttoptr (i64 125 to ptr)(), !dbg !91
  store i64 %r21, ptr %s4, !dbg !91
  br label %"time", !dbg !91
"monotonic":
  %r22 = call i64 inttoptr (i64 5 to ptr)(), !dbg !91
  store i64 %r22, ptr %s4, !dbg !91
  br label %"time", !dbg !91
"time":
  %r23 = load i64, ptr %s4, !dbg !91
  store i64 %r23, ptr %r11, align 8, !dbg !91
  %r24 = call i64 inttoptr (i64 80 to ptr)(), !dbg !91
  %t23 = getelementptr i8, ptr %r11, i64 16, !dbg !91
  store i64 %r24, ptr %t23, align 8, !dbg !91
  %r25 = call i64 inttoptr (i64 8 to ptr)(), !dbg !91
  %r26 = trunc i64 %r25 to i32, !dbg !91
  %t24 = getelementptr i8, ptr %r11, i64 36, !dbg !91
  store i32 %r26, ptr %t24, align 4, !dbg !91
  %r27 = getelementptr i8, ptr %r11, i64 40, !dbg !91
  call void @llvm.memset.p0.i64(ptr align 8 %r27, i8 0, i64 16, i1 false), !dbg !91
  call i64 inttoptr (i64 16 to ptr)(ptr %r27, i64 16), !dbg !91
  %t25 = load i64, ptr @"llvm.bpf_func_id:10:1$1", !dbg !91
  %t26 = call i64 @llvm.bpf.passthrough.i64.i64(i32 5, i64 %t25), !dbg !91
  %r28 = icmp ne i64 %t26, 0, !dbg !91
  br i1 %r28, label %"submit", label %"output", !dbg !91
"submit":
  store i64 0, ptr %s5, !dbg !91
  %r29 = getelementptr i8, ptr @syscast_config, i64 20, !dbg !91
  %r30 = load i32, ptr %r29, align 4, !dbg !91
  %r31 = and i32 %r30, 4, !dbg !91
  %r32 = icmp ne i32 %r31, 0, !dbg !91
  br i1 %r32, label %"ask", label %"told", !dbg !91
"ask":
  store i32 0, ptr %s1, !dbg !91
  %r33 = bitcast ptr @"control" to ptr, !dbg !91
  %r34 = bitcast ptr %s1 to ptr, !dbg !91
  %r35 = call ptr inttoptr (i64 1 to ptr)(ptr %r33, ptr %r34), !dbg !91
  %r36 = icmp eq ptr %r35, null, !dbg !91
  br i1 %r36, label %"wake", label %"control", !dbg !91
"control":
  %r37 = load i64, ptr %r35, align 8, !dbg !91
  %r38 = load i64, ptr %r11, align 8, !dbg !91
  %r39 = icmp ult i64 %r38, %r37, !dbg !91
  br i1 %r39, label %"promised", label %"wake", !dbg !91
"promised":
  store i64 1, ptr %s5, !dbg !91
  br label %"wake", !dbg !91
"told":
  %r40 = and i32 %r30, 1, !dbg !91
  %r41 = icmp ne i32 %r40, 0, !dbg !91
  br i1 %r41, label %"flag", label %"next", !dbg !91
"flag":
  store i64 2, ptr %s5, !dbg !91
  br label %"next", !dbg !91
"next":
  %r42 = and i32 %r30, 2, !dbg !91
  %r43 = icmp ne i32 %r42, 0, !dbg !91
  br i1 %r43, label %"flag.1", label %"next.1", !dbg !91
"flag.1":
  store i64 1, ptr %s5, !dbg !91
  br label %"next.1", !dbg !91
"next.1":
  br label %"wake", !dbg !91
"wake":
  %r44 = load i64, ptr %s5, !dbg !91
  call i64 inttoptr (i64 132 to ptr)(ptr %r11, i64 %r44), !dbg !91
  br label %"sent", !dbg !91
"output":
  %r45 = bitcast ptr @"events" to ptr, !dbg !91
  %r46 = bitcast ptr %ctx to ptr, !dbg !91
  %r47 = call i64 inttoptr (i64 25 to ptr)(ptr %r46, ptr %r45, i64 4294967295, ptr %r11, i64 72), !dbg !91
  %r48 = trunc i64 %r47 to i32, !dbg !91
  %r49 = icmp slt i32 %r48, 0, !dbg !91
  br i1 %r49, label %"lost", label %"sent", !dbg !91
"lost":
  %r50 = load ptr, ptr %s2, !dbg !91
  %t27 = getelementptr i8, ptr %r50, i64 32, !dbg !91
  %r51 = load i64, ptr %t27, align 8, !dbg !91
  %r52 = add i64 %r51, 1, !dbg !91
  %t28 = getelementptr i8, ptr %r50, i64 32, !dbg !91
  store i64 %r52, ptr %t28, align 8, !dbg !91
  br label %"sent", !dbg !91
"full":
  %r53 = load ptr, ptr %s2, !dbg !91
  %t29 = getelementptr i8, ptr %r53, i64 24, !dbg !91
  %r54 = load i64, ptr %t29, align 8, !dbg !91
  %r55 = add i64 %r54, 1, !dbg !91
  %t30 = getelementptr i8, ptr %r53, i64 24, !dbg !91
  store i64 %r55, ptr %t30, align 8, !dbg !91
  %r56 = load ptr, ptr %s2, !dbg !91
  %t31 = getelementptr i8, ptr %r56, i64 32, !dbg !91
  %r57 = load i64, ptr %t31, align 8, !dbg !91
  %r58 = add i64 %r57, 1, !dbg !91
  %t32 = getelementptr i8, ptr %r56, i64 32, !dbg !91
  store i64 %r58, ptr %t32, align 8, !dbg !91
  br label %"sent", !dbg !91
"sent":
  store i64 1, ptr %s6, !dbg !91
  br label %"finish", !dbg !91
"finish":
  %r66 = load i64, ptr %s6, !dbg !91
  %r67 = icmp eq i64 %r66, 0, !dbg !91
  br i1 %r67, label %"silent", label %"done", !dbg !91
"silent":
  %r68 = load ptr, ptr %s2, !dbg !91
  %t33 = getelementptr i8, ptr %r68, i64 8, !dbg !91
  %r69 = load i64, ptr %t33, align 8, !dbg !91
  %r70 = add i64 %r69, 1, !dbg !91
  %t34 = getelementptr i8, ptr %r68, i64 8, !dbg !91
  store i64 %r70, ptr %t34, align 8, !dbg !91
  br label %"done", !dbg !91
"done":
  ret i32 0, !dbg !91
"raise0":
  store i32 0, ptr %s7, !dbg !93
  br label %"raised", !dbg !93
"raised":
  %r76 = load i32, ptr %s7, !dbg !93
  store i32 %r76, ptr %s1, !dbg !93
  %r77 = bitcast ptr @"raised" to ptr, !dbg !93
  %r78 = bitcast ptr %s1 to ptr, !dbg !93
  %r79 = call ptr inttoptr (i64 1 to ptr)(ptr %r77, ptr %r78), !dbg !93
  %r80 = icmp eq ptr %r79, null, !dbg !93
  br i1 %r80, label %"end", label %"counter", !dbg !93
"counter":
  %r81 = load i64, ptr %r79, align 8, !dbg !93
  %r82 = add i64 %r81, 1, !dbg !93
  store i64 %r82, ptr %r79, align 8, !dbg !93
  br label %"end", !dbg !93
"end":
  %r83 = load ptr, ptr %s2, !dbg !93
  %t35 = getelementptr i8, ptr %r83, i64 16, !dbg !93
  %r84 = load i64, ptr %t35, align 8, !dbg !93
  %r85 = add i64 %r84, 1, !dbg !93
  %t36 = getelementptr i8, ptr %r83, i64 16, !dbg !93
  store i64 %r85, ptr %t36, align 8, !dbg !93
  ret i32 0, !dbg !93
}
declare i64 @llvm.bpf.passthrough.i64.i64(i32, i64)
declare ptr @llvm.bpf.passthrough.p0.p0(i32, ptr)
declare i16 @llvm.bswap.i16(i16)
declare i32 @llvm.bswap.i32(i32)
declare i64 @llvm.bswap.i64(i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
attributes #0 = { nounwind null_pointer_is_valid "no-jump-tables"="true" "no-builtins" }
attributes #1 = { "btf_ama" }
attributes #2 = { "btf_type_id" }

!llvm.dbg.cu = !{!1}
!llvm.module.flags = !{!106, !107}
!0 = !DIFile(filename: "probe.py", directory: "", source: "def probe(sock, backlog):\0A    port = sock.sk.num\0A    return Listen(port=port)\0A")
!1 = distinct !DICompileUnit(language: DW_LANG_C99, file: !0, producer: "syscast", isOptimized: true, emissionKind: FullDebug, globals: !105)
!2 = !DISubrange(count: 27)
!3 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!4 = !{!2}
!5 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 864, elements: !4)
!6 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !5, size: 64)
!7 = !DISubrange(count: 4194304)
!8 = !{!7}
!9 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 134217728, elements: !8)
!10 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !9, size: 64)
!11 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !6, size: 64, offset: 0)
!12 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", baseType: !10, size: 64, offset: 64)
!13 = !DIFile(filename: "syscast", directory: "", source: "")
!14 = !{!11, !12}
!15 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 128, elements: !14)
!16 = distinct !DIGlobalVariable(name: "events", scope: !1, file: !0, line: 0, type: !15, isLocal: false, isDefinition: true)
!17 = !DIGlobalVariableExpression(var: !16, expr: !DIExpression())
!18 = !DISubrange(count: 2)
!19 = !{!18}
!20 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 64, elements: !19)
!21 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !20, size: 64)
!22 = !DISubrange(count: 4)
!23 = !{!22}
!24 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 128, elements: !23)
!25 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !24, size: 64)
!26 = !DISubrange(count: 64)
!27 = !{!26}
!28 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 2048, elements: !27)
!29 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !28, size: 64)
!30 = !DISubrange(count: 1)
!31 = !{!30}
!32 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 32, elements: !31)
!33 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !32, size: 64)
!34 = !DISubrange(count: 1024)
!35 = !{!34}
!36 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 32768, elements: !35)
!37 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !36, size: 64)
!38 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !21, size: 64, offset: 0)
!39 = !DIDerivedType(tag: DW_TAG_member, name: "key_size", baseType: !25, size: 64, offset: 64)
!40 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !29, size: 64, offset: 128)
!41 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", baseType: !33, size: 64, offset: 192)
!42 = !DIDerivedType(tag: DW_TAG_member, name: "map_flags", baseType: !37, size: 64, offset: 256)
!43 = !{!38, !39, !40, !41, !42}
!44 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 320, elements: !43)
!45 = distinct !DIGlobalVariable(name: "control", scope: !1, file: !0, line: 0, type: !44, isLocal: false, isDefinition: true)
!46 = !DIGlobalVariableExpression(var: !45, expr: !DIExpression())
!47 = !DISubrange(count: 6)
!48 = !{!47}
!49 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 192, elements: !48)
!50 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !49, size: 64)
!51 = !DISubrange(count: 80)
!52 = !{!51}
!53 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 2560, elements: !52)
!54 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !53, size: 64)
!55 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !50, size: 64, offset: 0)
!56 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !54, size: 64, offset: 128)
!57 = !{!55, !39, !56, !41}
!58 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !57)
!59 = distinct !DIGlobalVariable(name: "ledger", scope: !1, file: !0, line: 0, type: !58, isLocal: false, isDefinition: true)
!60 = !DIGlobalVariableExpression(var: !59, expr: !DIExpression())
!61 = !DISubrange(count: 8)
!62 = !{!61}
!63 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 256, elements: !62)
!64 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !63, size: 64)
!65 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !64, size: 64, offset: 128)
!66 = !{!55, !39, !65, !41}
!67 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !66)
!68 = distinct !DIGlobalVariable(name: "raised", scope: !1, file: !0, line: 0, type: !67, isLocal: false, isDefinition: true)
!69 = !DIGlobalVariableExpression(var: !68, expr: !DIExpression())
!70 = !DISubrange(count: 72)
!71 = !{!70}
!72 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 2304, elements: !71)
!73 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !72, size: 64)
!74 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !73, size: 64, offset: 128)
!75 = !{!55, !39, !74, !41}
!76 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !75)
!77 = distinct !DIGlobalVariable(name: "scratch", scope: !1, file: !0, line: 0, type: !76, isLocal: false, isDefinition: true)
!78 = !DIGlobalVariableExpression(var: !77, expr: !DIExpression())
!79 = !DIBasicType(name: "unsigned char", size: 8, encoding: DW_ATE_unsigned_char)
!80 = !DICompositeType(tag: DW_TAG_array_type, baseType: !79, size: 512, elements: !27)
!81 = distinct !DIGlobalVariable(name: "syscast_config", scope: !1, file: !0, line: 0, type: !80, isLocal: false, isDefinition: true)
!82 = !DIGlobalVariableExpression(var: !81, expr: !DIExpression())
!83 = !DIBasicType(name: "long", size: 64, encoding: DW_ATE_signed)
!84 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: null, size: 64)
!85 = !{!3, !84}
!86 = !DISubroutineType(types: !85)
!87 = distinct !DISubprogram(name: "probe", scope: !0, file: !0, line: 1, type: !86, scopeLine: 1, flags: DIFlagPrototyped, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !1, retainedNodes: !89)
!88 = !DILocalVariable(name: "ctx", arg: 1, scope: !87, file: !0, line: 1, type: !84)
!89 = !{!88}
!90 = !DILocation(line: 1, column: 1, scope: !87)
!91 = !DILocation(line: 3, column: 5, scope: !87)
!92 = !DILocation(line: 1, column: 5, scope: !87)
!93 = !DILocation(line: 2, column: 5, scope: !87)
!94 = !DIDerivedType(tag: DW_TAG_member, name: "sk", baseType: !84, size: 64, offset: 64)
!95 = !{!94}
!96 = !DICompositeType(tag: DW_TAG_structure_type, name: "socket", file: !13, size: 192, elements: !95)
!97 = !DIBasicType(name: "unsigned short", size: 16, encoding: DW_ATE_unsigned)
!98 = !DIDerivedType(tag: DW_TAG_member, name: "num", baseType: !97, size: 16, offset: 64)
!99 = !{!98}
!100 = !DICompositeType(tag: DW_TAG_structure_type, name: "sock", file: !13, size: 512, elements: !99)
!101 = !DIEnumerator(name: "BPF_FUNC_ktime_get_boot_ns", value: 125, isUnsigned: true)
!102 = !DIEnumerator(name: "BPF_FUNC_ringbuf_reserve", value: 131, isUnsigned: true)
!103 = !{!101, !102}
!104 = !DICompositeType(tag: DW_TAG_enumeration_type, name: "bpf_func_id", size: 32, elements: !103)
!105 = !{!17, !46, !60, !69, !78, !82}
!106 = !{i32 7, !"Dwarf Version", i32 5}
!107 = !{i32 2, !"Debug Info Version", i32 3}
